/* SPDX-License-Identifier: GPL-2.0-only */
#include "kern/map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <time.h>

#define TRIES	50
#define WAIT_NS 1000000

int qos_map_set(int fd, const void *key, const void *value, uint64_t flags)
{
	const struct timespec wait = {.tv_nsec = WAIT_NS};
	int r = -ENOMEM;

	for (int i = 0; i < TRIES && r == -ENOMEM; i++) {
		if (i)
			nanosleep(&wait, NULL);
		r = bpf_map_update_elem(fd, key, value, flags) < 0 ? -errno : 0;
	}
	return r;
}
