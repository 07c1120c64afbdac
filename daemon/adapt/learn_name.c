/* SPDX-License-Identifier: GPL-2.0-only */
#include "adapt/learn_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "contract/regex.h"
#include "util/text.h"

size_t qos_learn_stem(const char *comm)
{
	size_t len = strlen(comm), stem = len;

	while (stem && isdigit((unsigned char)comm[stem - 1]))
		stem--;
	return stem ? stem : len;
}

static bool is_printable(char c)
{
	return isascii(c) && isprint((unsigned char)c);
}

void qos_learn_glob(const char *comm, bool numbered, char *ret)
{
	size_t len = numbered ? qos_learn_stem(comm) : strlen(comm);

	for (size_t i = 0; i < len; i++) {
		if (strchr("*?[", comm[i])) {
			*ret++ = '[';
			*ret++ = comm[i];
			*ret++ = ']';
		} else {
			*ret++ = qos_text_shown(comm[i]);
		}
	}
	if (numbered)
		*ret++ = '*';
	*ret = '\0';
}

void qos_learn_name(const char *text, char joint, const char *otherwise, char *ret, size_t size)
{
	size_t len = 0;

	for (; *text && len < size - 1; text++) {
		bool fits = isascii(*text) && isalnum((unsigned char)*text);

		if (!fits && len && ret[len - 1] != joint)
			ret[len++] = joint;
		else if (fits && (len || isalpha((unsigned char)*text)))
			ret[len++] = (char)tolower((unsigned char)*text);
	}
	while (len && ret[len - 1] == joint)
		len--;
	ret[len] = '\0';
	if (!len)
		strncat(ret, otherwise, size - 1);
}

/* Each byte takes two at most, and what is cut off two more. */
char *qos_learn_regex(const char *cmdline)
{
	char *regex = malloc(QOS_REGEX_MAX + 1), *p = regex;

	if (!regex)
		return NULL;
	for (; *cmdline && p - regex < QOS_REGEX_MAX - 3; cmdline++) {
		if (strchr(".[](){}|*+?^$\\", *cmdline))
			*p++ = '\\';
		*p++ = is_printable(*cmdline) ? *cmdline : '.';
	}
	if (*cmdline) {
		*p++ = '.';
		*p++ = '*';
	}
	*p = '\0';
	return regex;
}
