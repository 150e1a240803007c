// SPDX-License-Identifier: BSD-2-Clause
/*
 * A plugin of QEMU that counts how often each instruction of the guest is executed
 * between two readings of the clock, by the marks that the benchmark has around them
 * (../mark.h). Of each series it keeps the passes whose length is nearest to the
 * median, and writes the nearest when QEMU ends:
 *
 *   <out>/<series>        "PASSES MEDIAN LENGTH LOAD" (the last: how often the module
 *                         had been loaded anew), and "ADDRESS COUNT" of each instruction
 *   <out>/<series>.order  if asked for by order=on: the addresses, as they were executed
 *
 * One CPU, and one program at a time that measures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../mark.h"
#include "qemu_plugin.h"

#define KEPT	16		/* passes of a series */
#define SERIES	4096
#define MAX_ORDER 4000000	/* instructions of a pass */

struct insn {
	uint64_t address, count;
};

/* What QEMU translates at once: instructions of which each may be the last. */
struct block {
	uint64_t pass;		/* for which the counts are */
	size_t n;
	struct insn insn[];
};

struct pass {
	uint64_t length, sequence;
	unsigned int load;
	struct insn *insn;	/* those that were executed */
	size_t n;
	uint64_t *order;
	size_t norder;
};

static struct series {
	uint64_t *length;	/* of all passes, sorted */
	size_t n, room;
	struct pass kept[KEPT];
	size_t nkept;
} series[SERIES];

static const char *out;
static bool want_order;

static bool counting;
static uint64_t pass_number, sequence;
static struct block **touched;		/* in this pass */
static size_t ntouched, touched_room;
static uint64_t *order;
static size_t norder;
static struct pass last;		/* has ended; not yet said whose it is */
static unsigned int number, loads;

static void *need(void *memory)
{
	if (!memory) {
		fputs("profile: no memory\n", stderr);
		exit(1);
	}
	return memory;
}

static void *copy(const void *from, size_t size)
{
	return memcpy(need(malloc(size + 1)), from, size);
}

static void pass_free(struct pass *p)
{
	free(p->insn);
	free(p->order);
	memset(p, 0, sizeof(*p));
}

/* --- While the guest runs ---------------------------------------------------- */

static void touch(struct block *b)
{
	size_t i;

	if (b->pass == pass_number)
		return;
	b->pass = pass_number;
	for (i = 0; i < b->n; i++)
		b->insn[i].count = 0;
	if (ntouched == touched_room) {
		touched_room = touched_room ? 2 * touched_room : 1024;
		touched = need(realloc(touched, touched_room * sizeof(*touched)));
	}
	touched[ntouched++] = b;
}

static void on_block(unsigned int cpu, void *data)
{
	(void)cpu;
	if (counting)
		touch(data);
}

static void on_insn(unsigned int cpu, void *data)
{
	(void)cpu;
	if (counting && norder < MAX_ORDER)
		order[norder++] = (uintptr_t)data;
}

/* The rest of the block in which it starts belongs to it. */
static void on_start(unsigned int cpu, void *data)
{
	(void)cpu;
	counting = true;
	pass_number++;
	ntouched = 0;
	norder = 0;
	touch(data);
}

static void pass_end(struct pass *p)
{
	const struct block *b;
	size_t i, k, room = 0;

	for (i = 0; i < ntouched; i++)
		room += touched[i]->n;
	p->insn = need(malloc((room + 1) * sizeof(*p->insn)));
	for (i = 0; i < ntouched; i++) {
		b = touched[i];
		for (k = 0; k < b->n; k++) {
			if (!b->insn[k].count)
				continue;
			p->insn[p->n++] = b->insn[k];
			p->length += b->insn[k].count;
		}
	}
	p->load = loads;
	p->sequence = sequence++;
	if (want_order && norder < MAX_ORDER) {
		p->order = copy(order, norder * sizeof(*order));
		p->norder = norder;
	}
}

static void on_end(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (!counting)
		return;
	counting = false;
	pass_free(&last);
	pass_end(&last);
}

static void on_zero(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	number = number << 1;
}

static void on_one(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	number = number << 1 | 1;
}

static void add_length(struct series *s, uint64_t length)
{
	size_t i;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->length = need(realloc(s->length, s->room * sizeof(*s->length)));
	}
	for (i = s->n++; i && s->length[i - 1] > length; i--)
		s->length[i] = s->length[i - 1];
	s->length[i] = length;
}

static double median(const struct series *s)
{
	return (s->length[(s->n - 1) / 2] + s->length[s->n / 2]) / 2.0;
}

static double distance(const struct series *s, const struct pass *p)
{
	double d = p->length - median(s);

	return d < 0 ? -d : d;
}

/* Rather one of now, as of what was loaded now the symbols are known. */
static bool nearer(const struct series *s, const struct pass *a, const struct pass *b)
{
	double x = distance(s, a), y = distance(s, b);

	return x < y || (x == y && a->sequence > b->sequence);
}

static void keep(struct series *s, struct pass *p)
{
	struct pass *worst = &s->kept[0];
	size_t i;

	if (s->nkept < KEPT) {
		s->kept[s->nkept++] = *p;
	} else {
		for (i = 1; i < KEPT; i++)
			if (nearer(s, worst, &s->kept[i]))
				worst = &s->kept[i];
		if (!nearer(s, p, worst)) {
			pass_free(p);
			return;
		}
		pass_free(worst);
		*worst = *p;
	}
	memset(p, 0, sizeof(*p));
}

static void on_series(unsigned int cpu, void *data)
{
	struct series *s = &series[number % SERIES];

	(void)cpu;
	(void)data;
	counting = false;
	number = 0;
	if (!last.insn)
		return;
	add_length(s, last.length);
	keep(s, &last);
}

static void on_reload(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	loads++;
}

/* --- When QEMU translates ---------------------------------------------------- */

static void (*const on_mark[])(unsigned int cpu, void *data) = {
	[MARK_START] = on_start, [MARK_END] = on_end, [MARK_ZERO] = on_zero,
	[MARK_ONE] = on_one, [MARK_SERIES] = on_series, [MARK_RELOAD] = on_reload,
};

#define MARKS (sizeof(on_mark) / sizeof(*on_mark))

/* Which mark it is: nopl disp32(%rax), with the mark in the displacement; or 0. */
static unsigned int mark_of(const struct qemu_plugin_insn *insn)
{
	static const unsigned char nopl[] = { 0x0f, 0x1f, 0x80 };
	const unsigned char *code = qemu_plugin_insn_data(insn);
	uint32_t mark;

	if (qemu_plugin_insn_size(insn) != sizeof(nopl) + sizeof(mark) ||
	    memcmp(code, nopl, sizeof(nopl)))
		return 0;
	memcpy(&mark, code + sizeof(nopl), sizeof(mark));
	mark -= MARK_BASE;
	return mark < MARKS ? mark : 0;
}

static void call(struct qemu_plugin_insn *insn, void (*cb)(unsigned int cpu, void *data),
		 void *data)
{
	qemu_plugin_register_vcpu_insn_exec_cb(insn, cb, QEMU_PLUGIN_CB_NO_REGS, data);
}

static void count(struct qemu_plugin_insn *insn, uint64_t *counter)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
						   counter, 1);
}

/* It stays for ever: QEMU does not say when it forgets a translation. */
static void on_translation(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct block *b = need(calloc(1, sizeof(*b) + n * sizeof(*b->insn)));
	struct qemu_plugin_insn *insn;
	unsigned int mark;

	(void)id;
	b->n = n;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, b);
	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		b->insn[i].address = qemu_plugin_insn_vaddr(insn);
		mark = mark_of(insn);
		if (mark) {
			call(insn, on_mark[mark], b);
			continue;
		}
		count(insn, &b->insn[i].count);
		if (want_order)
			call(insn, on_insn, (void *)(uintptr_t)b->insn[i].address);
	}
}

/* --- At the end -------------------------------------------------------------- */

static FILE *create(unsigned int i, const char *suffix)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%u%s", out, i, suffix);
	f = fopen(path, "w");
	if (!f)
		perror(path);
	return f;
}

/* Who reads it sees whether the end is there. */
static void finish(FILE *f)
{
	fputs("end\n", f);
	if (fclose(f))
		perror("profile");
}

static void write_counts(unsigned int i, const struct series *s, const struct pass *p)
{
	FILE *f = create(i, "");
	size_t k;

	if (!f)
		return;
	fprintf(f, "%zu %.1f %llu %u\n", s->n, median(s), (unsigned long long)p->length,
		p->load);
	for (k = 0; k < p->n; k++)
		fprintf(f, "%016llx %llu\n", (unsigned long long)p->insn[k].address,
			(unsigned long long)p->insn[k].count);
	finish(f);
}

static void write_order(unsigned int i, const struct pass *p)
{
	FILE *f = create(i, ".order");
	size_t k;

	if (!f)
		return;
	for (k = 0; k < p->norder; k++)
		fprintf(f, "%016llx\n", (unsigned long long)p->order[k]);
	finish(f);
}

static void on_exit_of_qemu(uint64_t id, void *data)
{
	const struct pass *best;
	struct series *s;
	unsigned int i;
	size_t k;

	(void)id;
	(void)data;
	for (i = 0; i < SERIES; i++) {
		s = &series[i];
		if (!s->nkept)
			continue;
		best = &s->kept[0];
		for (k = 1; k < s->nkept; k++)
			if (nearer(s, &s->kept[k], best))
				best = &s->kept[k];
		write_counts(i, s, best);
		if (best->order)
			write_order(i, best);
	}
}

/* --- Start ------------------------------------------------------------------- */

PLUGIN_EXPORT int qemu_plugin_version = PLUGIN_VERSION;

PLUGIN_EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info *info,
				      int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
		else if (!strcmp(argv[i], "order=on"))
			want_order = true;
	}
	if (!out) {
		fputs("profile: out=<folder> is missing\n", stderr);
		return -1;
	}
	if (!info->system_emulation || info->smp_vcpus != 1) {
		fputs("profile: this is for a machine with one CPU\n", stderr);
		return -1;
	}
	if (want_order)
		order = need(malloc(MAX_ORDER * sizeof(*order)));
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
	return 0;
}
