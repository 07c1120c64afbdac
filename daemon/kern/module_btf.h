/* SPDX-License-Identifier: GPL-2.0-only */
/* What a program for the module's tracepoint is loaded with: ids in the module's own type information. */
#pragma once

#include <stdint.h>

struct qos_module_btf {
	int fd;		     /* keeps the type information, not the module */
	uint32_t tracepoint; /* qos_dwcs_event */
	int32_t kfunc;	     /* qos_dwcs_set */
};

/* 0, -ENOENT (the module is not there, or was built without), -errno; then *ret is untouched. */
int qos_module_btf_open(struct qos_module_btf *ret);
void qos_module_btf_close(struct qos_module_btf *btf);
