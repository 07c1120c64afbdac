/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The supervisor: what the daemon is, without its event loop. The files of this rank share one
 * struct and divide the work:
 *
 *     reload.c   files -> contracts -> grants -> streams     (the pipeline, read it first)
 *     reload_files.c  what is on disk, and what rules beside it
 *     settle.c   who is in force after a reload
 *     dry_run*.c what a reload would change
 *     threads.c  threads of the machine -> streams
 *     turn.c     the slow loop: telemetry -> window -> law -> admission -> action
 *     person.c   adjust, revert, panic
 *     confirm.c  what is put back unless a person confirms it
 *     module.c   the kernel's module: comes, goes, takes charge
 *     extend*.c  rules -> programs in the kernel, or processes, and what they set
 *     network*.c links: network streams -> queues, classes, flows
 *     report*.c  all of it as JSON
 *     metrics*.c figures as text, for Prometheus
 *     tell.c     what happened: journal, history, bus
 *
 * What is decided depends on no clock: time that matters is a parameter. Clocks are read only to
 * stamp what is reported. Descriptors are polled by main.c; nothing here waits.
 */
#pragma once

#include <jansson.h>

#include "adapt/series.h"
#include "admit/ledger.h"
#include "config.h"
#include "contract/host.h"
#include "extension/front.h"
#include "history.h"
#include "kern/lookup.h"
#include "kern/monitor.h"
#include "kern/taskstats.h"
#include "live.h"
#include "service/service.h"
#include "state/originals.h"
#include "state/overrides.h"
#include "state/pending.h"
#include "util/table.h"
#include "util/text.h"

struct qos_options {
	const char *config_path;
	const char *const *contract_paths; /* NULL-terminated */
	const char *run_dir;
	const char *pin_dir;
	const char *sandbox;	       /* the program for placement: user */
	const struct qos_front *front; /* reads settings, contracts and rules; borrowed */
	bool trust;		       /* refuse files that others can write */
};

/* A process that changed something of ours. comm is its own word. */
struct qos_author {
	pid_t pid; /* 0: nobody, or not known */
	char comm[16];
	uint64_t at_ns; /* CLOCK_MONOTONIC */
};

/* One thread that belongs to a contract. Owned by the supervisor's table. */
struct qos_thread {
	pid_t tid;
	pid_t tgid;
	uint64_t start_time; /* a tid may be given to another thread */
	uint64_t retry_ns;   /* it could not be set, or has no clock: not before; 0: all is well */
	uint32_t stream;     /* id */
	bool managed;	     /* false: beyond max-threads, or it could not be set */
	bool drifted;	     /* somebody else set its policy, and the contract yields */
	struct qos_author author; /* who else set its policy or affinity last */
	bool seen;		  /* in the current scan */
};

/* Called when something happened that others may want to know (the bus sends signals). */
typedef void (*qos_notify_fn)(void *data, const struct qos_history_event *event);

/* When a process (id: tgid) or one thread was last looked at. */
struct qos_recent {
	pid_t id;
	uint64_t examined_ns; /* CLOCK_MONOTONIC */
};

/* A thread that was born of a managed one, or of its child. */
struct qos_heir {
	pid_t child;
	pid_t ancestor;
};

/* Who asked for what is being carried out. */
struct qos_asker {
	const char *how; /* static: "reload", "SIGHUP" */
	uint32_t uid;
};

struct qos_task; /* contract/match.h */

struct qos_supervisor {
	struct qos_options options;
	struct qos_config config;
	struct qos_host *host;
	uint64_t sample_cost_ns; /* every host that is probed has it */
	struct qos_ledger *ledger;
	struct qos_monitor *monitor;	 /* NULL: none can be had, reasons in `diag` */
	struct qos_taskstats *taskstats; /* NULL: none */
	struct qos_originals *originals; /* NULL: nothing may be changed */
	struct qos_counters *counters;	 /* NULL: they begin anew with each daemon */
	struct qos_service *service;	 /* NULL: likewise */
	struct qos_module *module;	 /* module.c; NULL: nobody would tell if it came */
	struct qos_network *network;	 /* network.c; NULL: before it was opened */
	struct qos_extender *extender;	 /* extend.c; NULL: no rules run */
	struct qos_overrides *overrides;
	struct qos_pending *pending; /* confirm.c; NULL: nothing waits for a confirmation */
	bool pending_failed;	     /* it could not be put back: told */
	struct qos_live **lives;     /* by file name */
	size_t n_lives;
	struct qos_table streams; /* id -> struct qos_live_stream */
	struct qos_table threads; /* tid -> struct qos_thread */
	uint32_t next_stream;
	uint64_t violations_seen;
	uint64_t violated_turn; /* `turns` at the last violation */
	uint64_t started_us;	/* CLOCK_REALTIME, as it was then */
	uint64_t started_ns;	/* CLOCK_BOOTTIME: how long ago that is */
	uint64_t turns;
	uint64_t turn_ns; /* that they took, in all and the longest */
	uint64_t turn_longest_ns;
	bool panicked;
	bool claims_due; /* claims.c */
	/* threads.c */
	struct qos_lookup *lookup;    /* what contracts name */
	bool rescan;		      /* something was missed: every process is to be looked at */
	uint64_t scanned_ns;	      /* CLOCK_MONOTONIC, like all of these */
	uint64_t unread_told_ns;      /* when the journal last heard that /proc could not be read */
	struct qos_recent recent[64]; /* by id */
	struct qos_heir heirs[256];   /* by child */
	struct qos_diag diag;	      /* what is wrong with the machine or the settings */
	struct qos_diag reload_diag;  /* what the last reload said that belongs to no file */
	const struct qos_adapt_request *request; /* being carried out, else NULL */
	const struct qos_asker *asker;		 /* likewise */
	uint64_t generation;			 /* reloads since the start */
	json_t *generations;			 /* generation.c; NULL: none yet */
	struct qos_history history;
	struct qos_series_set series;
	/* metrics_collect.c */
	struct qos_buf metrics[2]; /* by form, as last asked for */
	uint64_t metrics_ns[2];	   /* CLOCK_BOOTTIME, like the next */
	uint64_t metrics_file_ns;
	bool metrics_file_failed; /* told */
	qos_notify_fn notify;
	void *notify_data;
};

/* Reads the settings of `path` over the defaults; a file that does not exist is empty. 0, or
 * -EINVAL and the like with words in diag. */
int qos_supervisor_read_config(const struct qos_front *front, const char *path,
			       struct qos_diag *diag, struct qos_config *ret);

/* Reads settings and host, opens what the kernel has; changes nothing yet. 0 or -errno, -EINVAL
 * for wrong settings; words in diag. */
int qos_supervisor_new(const struct qos_options *options, struct qos_diag *diag,
		       struct qos_supervisor **ret);

/* Puts every thread back as it was and frees all. */
void qos_supervisor_free(struct qos_supervisor *supervisor);
QOS_DEFINE_CLEANUP(struct qos_supervisor *, qos_supervisor_free)
#define _cleanup_supervisor_ QOS_CLEANUP(qos_supervisor_freep)

/* What a reload did. Names are borrowed from the lives. */
struct qos_reload_summary {
	size_t n_unchanged;
	size_t n_changed; /* new or another version */
	size_t n_removed;
	size_t n_lost; /* out of force: the machine has too little */
	size_t n_refused;
	size_t n_invalid;
};

/* The pipeline. The host's facts are read again: grants shrink, and contracts leave force, where
 * supply did. Complete before anything old goes; a file that is bad keeps its last good version. 0 or
 * -errno: then nothing changed, and the journal and `reload_diag` say why. */
int qos_supervisor_reload(struct qos_supervisor *supervisor, struct qos_reload_summary *ret);

/* Brings monitor and threads in line with the ledger, touching only what differs. */
void qos_supervisor_reconcile(struct qos_supervisor *supervisor);

/* The first reload; then gives back what a killed daemon left behind and no contract claims. */
int qos_supervisor_start(struct qos_supervisor *supervisor, struct qos_reload_summary *ret);

/* The host's facts as they are now, less what the daemon itself cannot do. 0 or -ENOMEM. */
int qos_supervisor_probe(struct qos_supervisor *supervisor, struct qos_host **ret);

/* Looks at every process of the machine again. Done at start, at reload, after lost events. */
void qos_supervisor_scan(struct qos_supervisor *supervisor);

/* Hands on what the monitor has to say. */
void qos_supervisor_events(struct qos_supervisor *supervisor);

/* What follows where threads get no task clock, for `status` and the journal; false: they get one, or
 * nobody needs it. The hint is static. */
bool qos_threads_clock_problem(const struct qos_supervisor *supervisor, char *buf, size_t size,
			       const char **ret_hint);

/* threads.c, for the others of this rank. */
/* The contract in force that has a process of these facts; NULL: none. */
struct qos_live *qos_threads_owner(const struct qos_supervisor *supervisor,
				   const struct qos_task *task);
void qos_threads_apply_stream(struct qos_supervisor *supervisor, struct qos_live_stream *stream);
void qos_threads_release_stream(struct qos_supervisor *supervisor, struct qos_live_stream *stream);
/* What the service manager has to know of a stream under this grant; both are borrowed. */
struct qos_service_stream qos_thread_service(const struct qos_supervisor *supervisor,
					     const struct qos_live_stream *stream,
					     const struct qos_stream_grant *grant);
void qos_threads_release_all(struct qos_supervisor *supervisor);
void qos_threads_event(struct qos_supervisor *supervisor, const struct qos_event *event);
void qos_threads_verify(struct qos_supervisor *supervisor);
/* "chrt (pid 123)", who else set its scheduling last; NULL: not known, or no memory. Free it. */
char *qos_thread_author(const struct qos_thread *thread);
/* After each dispatch: so many events were lost. Looks at every process again, now or, since that
 * costs, a second after the last time. */
void qos_threads_lost(struct qos_supervisor *supervisor, uint64_t lost);

/* What one request of the stream may use before it is cut, > 0. */
uint64_t qos_supervisor_budget_ns(const struct qos_supervisor *supervisor,
				  const struct qos_live_stream *stream);

/* One turn of the slow loop. */
void qos_supervisor_turn(struct qos_supervisor *supervisor, uint64_t now_boot_ns);

/* Outcomes of what persons ask. */
#define QOS_SUPERVISOR_E_NO_CONTRACT  1
#define QOS_SUPERVISOR_E_NO_ATTRIBUTE 2
#define QOS_SUPERVISOR_E_REFUSED      3

#define QOS_ADJUST_MIN_NS 1000 /* less is no request, but a slip */

/* attribute: "cpu.STREAM.runtime" or "cpu.runtime" (stream main). until_ns: CLOCK_BOOTTIME, 0: for
 * ever. *ret_json as in qosctl(1). 0, QOS_SUPERVISOR_E_*, -errno; words in diag. */
int qos_supervisor_adjust(struct qos_supervisor *supervisor, const char *contract,
			  const char *attribute, uint64_t value_ns, uint64_t until_ns,
			  struct qos_diag *diag, json_t **ret_json);
/* attribute "" reverts all of the contract. */
int qos_supervisor_revert(struct qos_supervisor *supervisor, const char *contract,
			  const char *attribute, struct qos_diag *diag, json_t **ret_json);
/* Undoes everything and holds still until the next reload. */
int qos_supervisor_panic(struct qos_supervisor *supervisor, json_t **ret_json);

/* Takes back what was adjusted for a time that is over. */
void qos_supervisor_expire_overrides(struct qos_supervisor *supervisor, uint64_t now_boot_ns);

/* Puts overrides in force again, after a reload or a restart. */
void qos_supervisor_reapply_overrides(struct qos_supervisor *supervisor);

/* Wishes another runtime for one stream, and journals it: the one door for law and persons.
 * 0, QOS_LEDGER_E_*, -ENOMEM. */
struct qos_adapt_request {
	struct qos_live_stream *stream;
	uint64_t runtime_ns;
	enum qos_adapted_by by;
	const struct qos_asker *asker; /* over the bus; else NULL */
	const char *reason;
	uint64_t signal_ns;
};
int qos_supervisor_adapt(struct qos_supervisor *supervisor, const struct qos_adapt_request *request,
			 struct qos_diag *diag);

/* A runtime was changed: into the journal, `show` and the bus. */
void qos_supervisor_journal(struct qos_supervisor *supervisor,
			    const struct qos_adapt_request *request, uint64_t old_ns,
			    uint64_t new_ns);

/* "status", "list", "show" (of contract `name`), "top", "metrics" (`name`: "open", or "") as in
 * qosctl(1). 0 and a new reference, -ENOMEM,
 * -EINVAL (no such report), QOS_SUPERVISOR_E_NO_CONTRACT. */
int qos_supervisor_report(struct qos_supervisor *supervisor, const char *what, const char *name,
			  json_t **ret);
/* "events" of one contract, or of all if it is "", that are not older than since_ns, unless that is 0.
 * 0, -ENOMEM, QOS_SUPERVISOR_E_NO_CONTRACT. */
int qos_supervisor_events_json(struct qos_supervisor *supervisor, const char *contract,
			       uint64_t since_ns, json_t **ret);
/* The last hours of one contract, which must not be "", as in `report` of qosctl(1); likewise. */
int qos_supervisor_series_json(struct qos_supervisor *supervisor, const char *contract,
			       uint64_t since_ns, json_t **ret);
json_t *qos_report_reload(const struct qos_supervisor *supervisor,
			  const struct qos_reload_summary *summary);

/* The live contract of this name, or the bad file NAME.yaml; NULL if there is neither. */
struct qos_live *qos_supervisor_find(const struct qos_supervisor *supervisor, const char *name);
/* For who wants to change it: 0, or QOS_SUPERVISOR_E_NO_CONTRACT with words in diag. */
int qos_supervisor_in_force(const struct qos_supervisor *supervisor, const char *name,
			    struct qos_diag *diag, struct qos_live **ret);
