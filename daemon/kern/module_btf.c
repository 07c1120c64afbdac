/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's type information is found by name among all that the kernel has, and in it tracepoint and
 * function by theirs. Ids mean something under its descriptor only, so that is kept with them.
 */
#include "kern/module_btf.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "uapi/qos_dwcs.h"
#include "util/cleanup.h"

#define TRACEPOINT "btf_trace_qos_dwcs_event"
#define KFUNC	   "qos_dwcs_set"

/* The descriptor of that module's type information, and its id; -ENOENT: it has none. */
static int find_btf(const char *module, uint32_t *ret_id)
{
	uint32_t id = 0;

	while (bpf_btf_get_next_id(id, &id) == 0) {
		char name[64] = "";
		struct bpf_btf_info info = {.name = (uintptr_t)name, .name_len = sizeof(name)};
		uint32_t size = sizeof(info);
		_cleanup_close_ int fd = bpf_btf_get_fd_by_id(id);

		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.kernel_btf &&
		    !strcmp(name, module)) {
			*ret_id = id;
			return TAKE_FD(fd);
		}
	}
	return -ENOENT;
}

/* The ids, for which the kernel's own types have to be read: some megabytes, for a moment. */
static int find_ids(struct qos_module_btf *module, uint32_t btf_id)
{
	struct btf *kernel = btf__load_vmlinux_btf(), *btf = NULL;
	int tracepoint, kfunc, r = 0;

	if (kernel)
		btf = btf__load_from_kernel_by_id_split(btf_id, kernel);
	if (!btf)
		r = -errno;
	if (r == 0) {
		tracepoint = btf__find_by_name_kind(btf, TRACEPOINT, BTF_KIND_TYPEDEF);
		kfunc = btf__find_by_name_kind(btf, KFUNC, BTF_KIND_FUNC);
		r = tracepoint < 0 ? tracepoint : kfunc < 0 ? kfunc : 0;
	}
	if (r == 0) {
		module->tracepoint = (uint32_t)tracepoint;
		module->kfunc = kfunc;
	}
	btf__free(btf);
	btf__free(kernel);
	malloc_trim(0);
	return r;
}

int qos_module_btf_open(struct qos_module_btf *ret)
{
	_cleanup_close_ int fd = -1;
	uint32_t id;
	int r;

	fd = find_btf(QOS_DWCS_FAMILY, &id);
	if (fd < 0)
		return fd;
	r = find_ids(ret, id);
	if (r == 0)
		ret->fd = TAKE_FD(fd);
	return r;
}

void qos_module_btf_close(struct qos_module_btf *btf)
{
	qos_closep(&btf->fd);
	btf->fd = -1;
}
