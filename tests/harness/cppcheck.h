/* SPDX-License-Identifier: GPL-2.0-only */
/* Macros of libraries whose headers cppcheck does not read. */
#pragma once

#define json_array_foreach(array, i, value)                                                        \
	for (i = 0; i < json_array_size(array) && (value = json_array_get(array, i)); i++)
#define LIBBPF_OPTS(type, name, ...) struct type name = {}
