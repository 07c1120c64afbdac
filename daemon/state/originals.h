/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each thread was before qosd first changed it: a BPF hash map pinned in a bpf file system,
 * so that it survives the daemon, and a restart or `qosctl panic` can put everything back.
 *
 * It is also the only way to change a thread: qos_originals_change() notes what it is about to do,
 * does it, and notes that it is done, so a kill at any moment is harmless, and a person's change
 * (drift) is never taken for qosd's own or the reverse.
 */
#pragma once

#include <stdbool.h>
#include <linux/types.h>
#include <sys/types.h>

#include "kern/sched.h"
#include "qos_abi.h"
#include "util/cleanup.h"
#include "util/diag.h"

struct qos_originals;

#define QOS_ORIGINALS_MAX 65536

/* Opens the pinned map, or creates and pins it (`create`), locked until close. pin_dir is
 * /sys/fs/bpf/qosd or another directory; where no bpf file system is mounted there, one is mounted
 * (state/pins.h).
 * Returns 0, -ENOENT (not there, create false), -EBUSY (create: another process has it locked),
 * -EPROTO (pinned by another version, so nothing can be restored from it), -errno; the last three
 * with words in diag. */
int qos_originals_open(const char *pin_dir, bool create, struct qos_diag *diag,
		       struct qos_originals **ret);
void qos_originals_close(struct qos_originals *originals);
QOS_DEFINE_CLEANUP(struct qos_originals *, qos_originals_close)
#define _cleanup_originals_ QOS_CLEANUP(qos_originals_closep)

/* For those who opened it without `create` and want to write: nobody else may, until close.
 * 0, -EBUSY or -errno with words in diag. */
int qos_originals_lock(struct qos_originals *originals, struct qos_diag *diag);

/* The identity of a living thread. 0 or -ESRCH. */
int qos_originals_key(pid_t tid, struct qos_original_key *ret);

/* Reads the thread's policy and affinity now and records them, unless they are recorded already
 * (0 too). *ret_key is set on success. -ESRCH: the thread is gone. -E2BIG / -ENOMEM: no room, so it
 * must not be changed. */
int qos_originals_record(struct qos_originals *originals, pid_t tid,
			 struct qos_original_key *ret_key);

/* The record of a living thread. 0, -ENOENT (not recorded), -ESRCH. */
int qos_originals_get(struct qos_originals *originals, pid_t tid, struct qos_original *ret);

/* Outcomes of change and verify. */
#define QOS_ORIGINALS_E_DRIFT 1 /* the thread is not as it was last set; nothing was done */

/*
 * Sets policy and affinity of a recorded thread. attr: `nice` (and the slice) of a fair policy are
 * ignored, the thread's own stay. cpus: NULL for the thread's own affinity. `force`: also if it
 * drifted. Does what is needed in the order that SCHED_DEADLINE demands, and nothing if nothing
 * differs. If a step fails the thread is left as it was, or, where that is not possible, as it was
 * before qosd; *ret_call (may be NULL) is then the call's name for qos_errno_advice.
 * 0, E_DRIFT, -ESRCH (gone), -ENOENT (not recorded), -errno.
 */
int qos_originals_change(struct qos_originals *originals, const struct qos_original_key *key,
			 const struct qos_sched_attr *attr, const struct qos_cpus *cpus, bool force,
			 const char **ret_call);

/* Notes that the kernel's module sets the recorded thread from now on: to SCHED_FIFO of at most this
 * priority, and to these CPUs. Changes nothing; a restore without the module then knows what came
 * from it. 0, -ESRCH, -ENOENT. */
int qos_originals_lend(struct qos_originals *originals, const struct qos_original_key *key,
		       uint32_t priority, const struct qos_cpus *cpus);

/* Where the thread would run without qosd. 0, -ESRCH, -ENOENT. */
int qos_originals_own_affinity(struct qos_originals *originals, const struct qos_original_key *key,
			       struct qos_cpus *ret);

/* Is the thread as it was last set? 0, E_DRIFT, -ESRCH, -ENOENT. */
int qos_originals_verify(struct qos_originals *originals, const struct qos_original_key *key);

/* Puts policy and affinity back and forgets the record. A thread that is gone is only forgotten.
 * Whichever of the two is not as it was last set was changed by a person or the program: that stays
 * and *drifted (may be NULL) is set. Only a real-time policy that what qosd gave opened the way to
 * does not stay: a thread may always lower its own priority, and would keep the rest for ever.
 * 0, or -errno (the record stays). */
int qos_originals_restore_key(struct qos_originals *originals, const struct qos_original_key *key,
			      bool *drifted);
int qos_originals_restore(struct qos_originals *originals, pid_t tid, bool *drifted);

/* Like restore, but remembers that the thread drifted and was left to whoever changed it, so that
 * a restarted daemon leaves it alone too (`drifted` of the record; change() clears it). */
int qos_originals_yield(struct qos_originals *originals, const struct qos_original_key *key);

/* Thread `old` called exec() as `tid` and has that thread's tid and start time now: gives it back
 * what it was before qosd, and forgets `old`. Nothing happens if `old` is not recorded.
 * 0, or -errno (the record stays, under the new identity). */
int qos_originals_exec(struct qos_originals *originals, const struct qos_original_key *old,
		       pid_t tid);

/* The thread ended: drops the record. If it is its process's first thread by now, untold, it is given
 * back there. */
void qos_originals_forget(struct qos_originals *originals, const struct qos_original_key *key);

/* A child of a managed thread starts with that thread's pinned affinity, and with nice 0: gives it
 * what it would have had without qosd. The parent may have ended meanwhile, as long as it was not
 * forgotten; nothing happens if it is not recorded. 0, -ESRCH (the child ended), -errno. */
int qos_originals_inherit(struct qos_originals *originals, const struct qos_original_key *parent,
			  pid_t child);

/* Calls visit for every record whose thread still lives; dead ones are forgotten on the way.
 * Stops at the first non-zero and returns it. visit may restore and record. */
int qos_originals_each(struct qos_originals *originals,
		       int (*visit)(void *data, pid_t tid, const struct qos_original *original),
		       void *data);

/* Restores all; returns the number that could not be (0 is good) or -errno. */
int qos_originals_restore_all(struct qos_originals *originals);

/* Removes the pin (and the mount, if it was made by open) when nothing is recorded any more.
 * 0, -EBUSY (threads are still recorded), -errno. */
int qos_originals_unpin(struct qos_originals *originals);
