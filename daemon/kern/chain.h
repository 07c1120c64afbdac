/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extensions in the kernel: what bpf/chain.bpf.h raises, runs and judges. Gives numbers to contracts,
 * keeps the guard's tables (which the programs map), loads programs into their places, and hands on what
 * the guard let pass. One a monitor.
 *
 * Where the module raises events and judges, programs, states and keys are kept here all the same; its
 * values are mirrored in the guard's tables, held.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kern/prog.h"
#include "qos_abi.h"
#include "qos_guard_abi.h"
#include "qos_rules_abi.h"
#include "util/cleanup.h"

struct qos_monitor;
struct qos_chain;

/* Borrows the monitor, which must outlive it, report_dir (kern/prog.h), and pin_dir, a directory in a bpf
 * file system for states (NULL: they end with the process). 0 or -errno. */
int qos_chain_new(struct qos_monitor *monitor, const char *report_dir, const char *pin_dir,
		  struct qos_chain **ret);
void qos_chain_free(struct qos_chain *chain);
QOS_DEFINE_CLEANUP(struct qos_chain *, qos_chain_free)
#define _cleanup_chain_ QOS_CLEANUP(qos_chain_freep)

/* One attribute of a contract. `reserved`: what admission holds for it; attributes of one `pool` (any
 * number below n_attributes) share what they hold. value, lo, hi, step: as struct qos_attribute. */
struct qos_chain_attribute {
	uint32_t stream;
	int64_t value;
	int64_t lo;
	int64_t hi;
	int64_t step;
	int64_t reserved;
	uint64_t period_ns;
	uint64_t gap_ns;
	size_t pool;
	uint32_t kind; /* enum qos_rules_attribute; 0: CPU_RUNTIME */
};

struct qos_chain_contract {
	const struct qos_chain_attribute *attributes;
	size_t n_attributes;
	size_t n_signals;
	size_t n_state;	  /* words a key of map `state`; 0: none */
	size_t n_keys;	  /* threads that have a key at a time */
	const char *name; /* of its pins; NULL: none */
	bool mappable;	  /* the map `state` can be mapped into a process */
	uint32_t shape;	  /* pinned state is gone on with only if it was made for the same */
};

/* Gives the contract a number; nothing of it runs yet. 0, -ENOSPC, -EINVAL (more reserved or in force
 * than fits), -errno. */
int qos_chain_add(struct qos_chain *chain, const struct qos_chain_contract *plan, uint32_t *ret);
/* Its hooks must be gone from the streams. Programs, state, keys go. */
void qos_chain_remove(struct qos_chain *chain, uint32_t number);

/* Other limits for what goes on: values in force stay where they are within them. The number of
 * attributes is the same. 0, -EINVAL. */
int qos_chain_change(struct qos_chain *chain, uint32_t number,
		     const struct qos_chain_contract *plan);

/* Where a program is called from: from the scheduler, by qos_chain_raise, or by the module. */
enum qos_chain_lane { QOS_CHAIN_SWITCH, QOS_CHAIN_RAW, QOS_CHAIN_MODULE };

/* From open to close something is attached to the module's tracepoint, and it cannot be unloaded; lane
 * MODULE needs it. 0, also if it is open; or -errno with words in diag. close unloads nothing: whatever
 * was loaded there must be unloaded before. */
int qos_chain_module_open(struct qos_chain *chain, struct qos_diag *diag);
void qos_chain_module_close(struct qos_chain *chain);

/* Loads a program into *slot, of both lanes if called for both; 0: into a new one, which is returned.
 * What was there goes on until the kernel has exchanged the two, so no event is lost. 0, or -errno
 * with words in diag; what was there is there then. */
int qos_chain_load(struct qos_chain *chain, uint32_t number, enum qos_chain_lane lane,
		   const struct qos_prog_code *code, struct qos_diag *diag, uint32_t *slot);
void qos_chain_unload(struct qos_chain *chain, uint32_t number, uint32_t slot);

/* In place of a program: events of that slot go into the contract's ring buffer as a struct
 * qos_rules_input with n_streams streams, in which `program` is what is given here. Slot, lanes and
 * errors as above. */
#define QOS_CHAIN_RING_BYTES 16384 /* the largest tick fits, or 63 events of a stream */
int qos_chain_forward(struct qos_chain *chain, uint32_t number, enum qos_chain_lane lane,
		      uint32_t program, size_t n_streams, struct qos_diag *diag, uint32_t *slot);
/* Borrowed; -1: none. The ring is there after the first qos_chain_forward. */
int qos_chain_ring_fd(struct qos_chain *chain, uint32_t number);
int qos_chain_state_fd(struct qos_chain *chain, uint32_t number);

/* What the contract's rules want, where they run in a process: judged and counted as what programs want.
 * After QOS_VERDICT_SET and QOS_VERDICT_EMIT *ret is the change, as qos_chain_dispatch would hand it on;
 * who gets it carries it out at once. */
struct qos_chain_wish {
	uint64_t attribute; /* as in struct qos_rules_request, like the next */
	int64_t value;
	uint64_t now_ns; /* CLOCK_MONOTONIC */
};
enum qos_verdict qos_chain_request(struct qos_chain *chain, uint32_t number,
				   const struct qos_chain_wish *wish, struct qos_change *ret);

/* A thread of the contract has a state of its own from now on; one of another contract changes over.
 * gone: harmless for one that has none. 0, -ENOSPC, -ENOENT (no such contract), -errno. */
int qos_chain_thread(struct qos_chain *chain, uint32_t number, pid_t tid);
void qos_chain_thread_gone(struct qos_chain *chain, pid_t tid);
/* `late` of the job released then is raised by the caller: the programs will not. false: the thread has
 * no key, or it cannot be said. */
bool qos_chain_late(struct qos_chain *chain, pid_t tid, uint64_t release_ns);
/* Its key, for qos_chain_raise; 0: none. */
uint32_t qos_chain_key(struct qos_chain *chain, pid_t tid);

/* The words of a thread's state, n_state of them; tid 0: those of ticks. 0, -ENOENT (it has none of this
 * contract), -errno. */
int qos_chain_state_read(struct qos_chain *chain, uint32_t number, pid_t tid, uint64_t *words);
int qos_chain_state_write(struct qos_chain *chain, uint32_t number, pid_t tid,
			  const uint64_t *words);

/* Runs the program of a slot as of lane RAW. Before: fill streams, now_ns and state of the frame. 0,
 * or -errno. Not for two threads at once. */
struct qos_rules_frame *qos_chain_frame(struct qos_chain *chain);
int qos_chain_raise(struct qos_chain *chain, uint32_t number, uint32_t slot);

/* What is in force; 0 of what the contract has not. */
int64_t qos_chain_value(const struct qos_chain *chain, uint32_t number, size_t attribute);
/* Puts a value in force, whatever rate and step, and lets nobody change it while `hold`. 0, -EINVAL (it has
 * no such attribute), or -EDQUOT: more than is reserved; then it stays. */
int qos_chain_set(struct qos_chain *chain, uint32_t number, size_t attribute, int64_t value,
		  bool hold);
/* No event of the contract is raised any more, or again. */
void qos_chain_mute(struct qos_chain *chain, uint32_t number, bool mute);
void qos_chain_counts(const struct qos_chain *chain, uint32_t number,
		      struct qos_guard_contract *ret);

/* An fd that polls readable when changes wait, and the call that hands them on, in order. The number,
 * or -errno. */
int qos_chain_fd(const struct qos_chain *chain);
int qos_chain_dispatch(struct qos_chain *chain,
		       void (*handle)(void *data, const struct qos_change *change), void *data);
