/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scope-bound ownership. A local that owns something says so in its declaration and gives it away
 * with TAKE_PTR / TAKE_FD; a function can then be read for leaks without reading its callees.
 * Nothing in a cleanup can fail.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QOS_CLEANUP(func) __attribute__((cleanup(func)))

/* Moves a pointer out of an owning variable. */
#define TAKE_PTR(ptr)                                                                              \
	({                                                                                         \
		__typeof__(ptr) taken_ = (ptr);                                                    \
		(ptr) = NULL;                                                                      \
		taken_;                                                                            \
	})

/* Moves a file descriptor out of an owning variable. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

/* Makes qos_<type>_freep() out of `void free_func(struct type *)`. */
#define QOS_DEFINE_CLEANUP(type, free_func)                                                        \
	static inline void free_func##p(type *p)                                                   \
	{                                                                                          \
		if (*p)                                                                            \
			free_func(*p);                                                             \
	}

static inline void qos_freep(void *p)
{
	free(*(void **)p);
}

static inline void qos_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

QOS_DEFINE_CLEANUP(FILE *, fclose)
QOS_DEFINE_CLEANUP(DIR *, closedir)

#define _cleanup_free_	   QOS_CLEANUP(qos_freep)
#define _cleanup_close_	   QOS_CLEANUP(qos_closep)
#define _cleanup_fclose_   QOS_CLEANUP(fclosep)
#define _cleanup_closedir_ QOS_CLEANUP(closedirp)

#define QOS_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
