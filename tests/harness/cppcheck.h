/* SPDX-License-Identifier: GPL-2.0-only */
/* Macros of libraries whose headers cppcheck does not read. */
#pragma once

#define json_array_foreach(array, i, value)                                                        \
	for (i = 0; i < json_array_size(array) && (value = json_array_get(array, i)); i++)
#define json_object_foreach(object, key, value)                                                    \
	for (void *iter_ = json_object_iter(object);                                               \
	     (key = json_object_iter_key(iter_)) && (value = json_object_iter_value(iter_));       \
	     iter_ = json_object_iter_next(object, iter_))
#define LIBBPF_OPTS(type, name, ...) struct type name = {}
