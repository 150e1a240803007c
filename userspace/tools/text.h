/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from elsewhere in lines of our own, for the tools. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

void text_plain(FILE *to, const char *text);
void text_json(FILE *to, const char *text);
void text_json_member(FILE *to, const char *key, const char *text);

#endif /* TEXT_H */
