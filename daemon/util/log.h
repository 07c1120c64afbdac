/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The journal. Only the supervisor, the bus and main() log. One message id an event; the fields
 * QOS_CONTRACT=, QOS_STREAM= and the like let a journal be searched. Where no journal listens, the
 * line goes to stderr with the usual <N> prefix.
 */
#pragma once

#include <syslog.h>

/* Message ids, 128 bit hex as sd-journal wants them. Documented in qosd.8; explained in
 * packaging/systemd/qosd.catalog. */
#define QOS_MSG_ADMITTED    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b601"
#define QOS_MSG_REFUSED	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b602"
#define QOS_MSG_REMOVED	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b603"
#define QOS_MSG_INVALID	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b604"
#define QOS_MSG_ADAPTED	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b605"
#define QOS_MSG_VIOLATION   "5c2f0e9d7b1a4c5e9f34a1d0c7e8b606"
#define QOS_MSG_DRIFT	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b607"
#define QOS_MSG_OVERRUN	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b608"
#define QOS_MSG_KERNEL	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b609"
#define QOS_MSG_UNPROVEN    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b60a"
#define QOS_MSG_LEASE	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b60b"
#define QOS_MSG_MANAGER	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b60c"
#define QOS_MSG_SIGNAL	    "5c2f0e9d7b1a4c5e9f34a1d0c7e8b60d"
#define QOS_MSG_QUARANTINED "5c2f0e9d7b1a4c5e9f34a1d0c7e8b60e"
#define QOS_MSG_ROLLED_BACK "5c2f0e9d7b1a4c5e9f34a1d0c7e8b60f"

/* Chooses journal or stderr once, at start. `level`: highest syslog level that is written. */
void qos_log_open(int level);

/* One line. message_id, contract and stream may be NULL. */
void qos_log(int level, const char *message_id, const char *contract, const char *stream,
	     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The same with fields of its own, which only a journal shows: an array that ends with a NULL name;
 * those without a value are left out. At most QOS_LOG_FIELDS_MAX. */
#define QOS_LOG_FIELDS_MAX 4
struct qos_log_field {
	const char *name;
	const char *value;
};
void qos_log_fields(int level, const char *message_id, const char *contract, const char *stream,
		    const struct qos_log_field *fields, const char *text);
