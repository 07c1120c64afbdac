/* SPDX-License-Identifier: GPL-2.0-only */
/* Maps for a program that is tried out, where no monitor is: as the target QOS_RULES_TEST has them. */
#include <bpf/bpf.h>
#include <errno.h>

#include "kern/prog.h"
#include "qos_rules_abi.h"

void qos_prog_maps_close(struct qos_prog_maps *maps)
{
	qos_closep(&maps->frame_fd);
	qos_closep(&maps->state_fd);
	qos_closep(&maps->guard_fd);
	*maps = QOS_PROG_MAPS_NONE;
}

/* A descriptor or -errno. */
static int map_new(const char *name, size_t value_size, unsigned int n_keys)
{
	struct bpf_map_create_opts opts = {.sz = sizeof(opts), .map_flags = BPF_F_MMAPABLE};
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), (uint32_t)value_size,
				n_keys, &opts);

	return fd < 0 ? -errno : fd;
}

int qos_prog_maps_new(size_t n_state, unsigned int n_keys, struct qos_prog_maps *ret)
{
	_cleanup_prog_maps_ struct qos_prog_maps maps = QOS_PROG_MAPS_NONE;

	maps.frame_fd = map_new("qos_frame", sizeof(struct qos_rules_frame), 1);
	if (maps.frame_fd < 0)
		return maps.frame_fd;
	if (n_state)
		maps.state_fd = map_new("qos_state", n_state * sizeof(uint64_t), n_keys);
	if (n_state && maps.state_fd < 0)
		return maps.state_fd;
	ret->frame_fd = TAKE_FD(maps.frame_fd);
	ret->state_fd = TAKE_FD(maps.state_fd);
	ret->guard_fd = -1;
	return 0;
}
