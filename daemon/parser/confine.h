/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* From here on this process has one open file, standard input, which it may read and write; it can have private
 * memory, and exit. Whatever else is called ends it. 0 or -errno. */
int qos_parser_confine(void);
