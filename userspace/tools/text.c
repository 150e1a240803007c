// SPDX-License-Identifier: BSD-2-Clause
/*
 * Text from elsewhere. Whatever it is, it is a part of one line: what would end that,
 * or could confuse a terminal, is written otherwise. It may have any bytes; JSON has to
 * be UTF-8.
 */
#include <string.h>

#include "text.h"

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

/* For people. */
void text_plain(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\\\", to);
		else if (*text == '\n')
			fputs("\\n", to);
		else if (is_control(*text))
			fprintf(to, "\\%03o", (unsigned char)*text);
		else
			putc(*text, to);
	}
}

/* How many bytes the character at @text has in UTF-8; 0: it is none. */
static size_t utf8_len(const char *text)
{
	static const unsigned int least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *c = (const unsigned char *)text;
	size_t len = *c < 0x80 ? 1 : *c < 0xc0 ? 0 : *c < 0xe0 ? 2 :
		     *c < 0xf0 ? 3 : *c < 0xf8 ? 4 : 0;
	unsigned int val;
	size_t i;

	if (len < 2)
		return len;
	val = *c & (0x7f >> len);
	for (i = 1; i < len; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
		val = val << 6 | (c[i] & 0x3f);
	}
	if (val < least[len] || val > 0x10ffff || (val >= 0xd800 && val < 0xe000))
		return 0;
	return len;
}

static bool is_utf8(const char *text)
{
	size_t len = 1;

	for (; *text && len; text += len)
		len = utf8_len(text);
	return len;
}

/* As a string of JSON. What is no text is U+FFFD. */
void text_json(FILE *to, const char *text)
{
	size_t len;

	putc('"', to);
	for (; *text; text += len ? len : 1) {
		len = utf8_len(text);
		if (!len)
			fputs("\\ufffd", to);
		else if (*text == '"' || *text == '\\')
			fprintf(to, "\\%c", *text);
		else if (is_control(*text))
			fprintf(to, "\\u%04x", (unsigned char)*text);
		else
			fwrite(text, 1, len, to);
	}
	putc('"', to);
}

/* As a member of an object, and what is no text as one more, of all its bytes. */
void text_json_member(FILE *to, const char *key, const char *text)
{
	fprintf(to, "\"%s\":", key);
	text_json(to, text);
	if (is_utf8(text))
		return;
	fprintf(to, ",\"%s_hex\":\"", key);
	for (; *text; text++)
		fprintf(to, "%02x", (unsigned char)*text);
	putc('"', to);
}
