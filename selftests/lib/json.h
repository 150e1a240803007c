/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON (RFC 8259), read strictly: for tests of what tools print. */
#ifndef KEVENT_SELFTESTS_JSON_H
#define KEVENT_SELFTESTS_JSON_H

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline const char *json_space(const char *p)
{
	return p + strspn(p, " \t\n\r");
}

/* All that follows returns where what it reads ends, or NULL if there is no such. */

static inline const char *json_utf8(const char *p)
{
	unsigned char c = *p++;
	int more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 :
		   c >= 0xf0 && c < 0xf5 ? 3 : -1;

	/* Too long a form, half of a pair, or too large a number. */
	if (more < 0 || (c == 0xe0 && (unsigned char)*p < 0xa0) ||
	    (c == 0xed && (unsigned char)*p >= 0xa0) ||
	    (c == 0xf0 && (unsigned char)*p < 0x90) ||
	    (c == 0xf4 && (unsigned char)*p >= 0x90))
		return NULL;
	for (; more; more--, p++)
		if ((*p & 0xc0) != 0x80)
			return NULL;
	return p;
}

static inline const char *json_escape(const char *p)
{
	int i;

	if (*p && strchr("\"\\/bfnrt", *p))
		return p + 1;
	if (*p++ != 'u')
		return NULL;
	for (i = 0; i < 4; i++)
		if (!isxdigit((unsigned char)*p++))
			return NULL;
	return p;
}

static inline const char *json_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	while (p && *p != '"') {
		if ((unsigned char)*p < 0x20)
			return NULL;
		p = *p == '\\' ? json_escape(p + 1) : json_utf8(p);
	}
	return p ? p + 1 : NULL;
}

static inline const char *json_digits(const char *p)
{
	return isdigit((unsigned char)*p) ? p + strspn(p, "0123456789") : NULL;
}

static inline const char *json_number(const char *p)
{
	p += *p == '-';
	p = *p == '0' ? p + 1 : json_digits(p);
	if (p && *p == '.')
		p = json_digits(p + 1);
	if (p && (*p == 'e' || *p == 'E')) {
		p++;
		p = json_digits(p + (*p == '+' || *p == '-'));
	}
	return p;
}

static inline const char *json_value(const char *p);

/* Of an object, a key comes before each value. */
static inline const char *json_list(const char *p, char end, bool keys)
{
	p = json_space(p + 1);
	if (*p == end)
		return p + 1;
	for (;;) {
		if (keys) {
			p = json_string(json_space(p));
			if (!p || *json_space(p) != ':')
				return NULL;
			p = json_space(p) + 1;
		}
		p = json_value(p);
		if (!p)
			return NULL;
		p = json_space(p);
		if (*p == end)
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
}

static inline const char *json_word(const char *p, const char *word)
{
	return strncmp(p, word, strlen(word)) ? NULL : p + strlen(word);
}

static inline const char *json_value(const char *p)
{
	p = json_space(p);
	switch (*p) {
	case '{':
		return json_list(p, '}', true);
	case '[':
		return json_list(p, ']', false);
	case '"':
		return json_string(p);
	case 't':
		return json_word(p, "true");
	case 'f':
		return json_word(p, "false");
	case 'n':
		return json_word(p, "null");
	}
	return json_number(p);
}

/* One object, in one line. */
static inline bool json_is_line(const char *text)
{
	const char *end = *text == '{' ? json_value(text) : NULL;

	return end && *end == '\n' && end == text + strcspn(text, "\n");
}

/* --- Looking into it: the text is right, and what is not there is NULL ----------- */

static inline const char *json_item(const char *array, int i)
{
	const char *p;

	if (!array || *array != '[')
		return NULL;
	for (p = json_space(array + 1); *p != ']'; p = json_space(p + 1)) {
		if (!i--)
			return p;
		p = json_space(json_value(p));
		if (*p == ']')
			break;
	}
	return NULL;
}

static inline const char *json_member(const char *object, const char *key)
{
	const char *p, *name;
	size_t len = strlen(key);

	if (!object || *object != '{')
		return NULL;
	for (p = json_space(object + 1); *p == '"'; p = json_space(p + 1)) {
		name = p;
		p = json_space(json_space(json_string(p)) + 1);
		if (!strncmp(name + 1, key, len) && name[len + 1] == '"')
			return p;
		p = json_space(json_value(p));
		if (*p != ',')
			break;
	}
	return NULL;
}

/* Is that its text? Not there it is "". */
static inline bool json_is(const char *value, const char *text)
{
	size_t len = value ? json_value(value) - value : 0;

	return len == strlen(text) && !strncmp(value ? value : "", text, len);
}

static inline long long json_int(const char *value)
{
	return value ? strtoll(value, NULL, 10) : -1;
}

#endif /* KEVENT_SELFTESTS_JSON_H */
