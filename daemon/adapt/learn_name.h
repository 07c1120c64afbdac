/* SPDX-License-Identifier: GPL-2.0-only */
/* Names that programs chose -> words of a contract. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define QOS_LEARN_GLOB_MAX 52 /* 15 letters, each in brackets, and a star */

/* Length of a thread's name without the number at its end; all of it if there is none, or nothing
 * else. */
size_t qos_learn_stem(const char *comm);

/* A glob for this name, or with `numbered` for its stem and anything behind. What cannot stand in a
 * file becomes "?". `ret` has room for QOS_LEARN_GLOB_MAX. */
void qos_learn_glob(const char *comm, bool numbered, char *ret);

/* A letter, then letters, digits and `joint` in place of all else; `otherwise` if nothing is left. */
void qos_learn_name(const char *text, char joint, const char *otherwise, char *ret, size_t size);

/* A regular expression for exactly this command line, cut to what a contract takes. malloc'ed, or
 * NULL without memory. */
char *qos_learn_regex(const char *cmdline);
