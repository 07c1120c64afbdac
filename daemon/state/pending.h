/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A contract file that was changed and waits for a confirmation. What stood there before, and until when,
 * is kept beside it under hidden names, so it lives exactly as long as the change: through a restart of the
 * daemon, and in /etc through a reboot.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/diag.h"

struct qos_pending {
	char *dir;
	char *file;	   /* "camera.yaml" */
	bool stood;	   /* there was a file, or a link, before */
	bool linked;	   /* by us, and not put back yet: its second name has to be there */
	uint64_t until_ns; /* CLOCK_BOOTTIME; 0: the machine was booted since */
};

/* To be called before the file is changed, by a rename. 0 or -errno; then nothing is left behind. */
int qos_pending_begin(const char *dir, const char *file, uint64_t until_ns,
		      struct qos_pending **ret);

/* The one of these directories (NULL-terminated), or *ret = NULL. What cannot be read is a warning and
 * counts as over: its file is unknown, so nothing can be put back. 0 or -ENOMEM. */
int qos_pending_load(const char *const *dirs, struct qos_diag *diag, struct qos_pending **ret);

/* The change stays. / What stood before stands again, atomically. Both may be repeated after a kill at any
 * moment. 0 or -errno: it still waits; -ENOENT: somebody removed what stood before. */
int qos_pending_keep(const struct qos_pending *pending);
int qos_pending_undo(struct qos_pending *pending);

void qos_pending_free(struct qos_pending *pending);
QOS_DEFINE_CLEANUP(struct qos_pending *, qos_pending_free)
#define _cleanup_pending_ QOS_CLEANUP(qos_pending_freep)
