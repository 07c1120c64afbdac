/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asks the generic netlink family TASKSTATS for one thread at a time, over one socket that stays
 * open. Unlike the BPF maps it also knows threads that no contract manages.
 *
 * libnl folds the kernel's errno into codes of its own (ESRCH and ENOENT become one), so an error
 * callback keeps the original. Weakness: a question and its answer are one synchronous round trip of
 * some microseconds; this is for the slow loop and for reports.
 */
#include "kern/taskstats.h"

#include <errno.h>
#include <linux/taskstats.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>

#define NS_PER_US 1000

struct qos_taskstats {
	struct nl_sock *sock;
	struct nl_cb *cb;
	int family;
	pid_t tid; /* asked for */
	/* the answer that is being read */
	struct qos_taskstats_sample sample;
	bool complete;
	int error;
};

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *data)
{
	struct qos_taskstats *taskstats = data;

	taskstats->error = error->error;
	return NL_STOP;
}

static uint64_t cpu_time_ns(const struct taskstats *stats)
{
	if (stats->cpu_run_virtual_total)
		return stats->cpu_run_virtual_total;
	return (stats->ac_utime + stats->ac_stime) * NS_PER_US;
}

static int on_answer(struct nl_msg *msg, void *data)
{
	struct qos_taskstats *taskstats = data;
	struct nlattr *outer[TASKSTATS_TYPE_MAX + 1], *inner[TASKSTATS_TYPE_MAX + 1];
	struct taskstats stats = {};

	if (genlmsg_parse(nlmsg_hdr(msg), 0, outer, TASKSTATS_TYPE_MAX, NULL) < 0 ||
	    !outer[TASKSTATS_TYPE_AGGR_PID] ||
	    nla_parse_nested(inner, TASKSTATS_TYPE_MAX, outer[TASKSTATS_TYPE_AGGR_PID], NULL) < 0 ||
	    !inner[TASKSTATS_TYPE_STATS] || !inner[TASKSTATS_TYPE_PID])
		return NL_SKIP;
	/* It may be the late answer to a question that was given up. */
	if ((pid_t)nla_get_u32(inner[TASKSTATS_TYPE_PID]) != taskstats->tid)
		return NL_SKIP;
	/* Versions only append: what an older kernel lacks stays 0. */
	nla_memcpy(&stats, inner[TASKSTATS_TYPE_STATS], sizeof(stats));
	taskstats->sample = (struct qos_taskstats_sample){
		.cpu_run_ns = cpu_time_ns(&stats),
		.cpu_delay_ns = stats.cpu_delay_total,
		.voluntary_switches = stats.nvcsw,
		.involuntary_switches = stats.nivcsw,
	};
	taskstats->complete = true;
	return NL_OK;
}

/* One question, until its answer, an error of the kernel, or one of libnl. */
static int ask(struct qos_taskstats *taskstats, struct nl_msg *msg)
{
	int r;

	taskstats->complete = false;
	taskstats->error = 0;
	r = nl_send_auto(taskstats->sock, msg);
	while (r >= 0 && !taskstats->complete && !taskstats->error)
		r = nl_recvmsgs(taskstats->sock, taskstats->cb);
	if (taskstats->error)
		return taskstats->error;
	return r < 0 ? -EIO : 0;
}

static int open_socket(struct qos_taskstats *taskstats)
{
	/* The kernel answers at once or, out of memory, not at all: the daemon must not hang on it. */
	const struct timeval patience = {.tv_sec = 1};

	taskstats->sock = nl_socket_alloc();
	taskstats->cb = nl_cb_alloc(NL_CB_CUSTOM);
	if (!taskstats->sock || !taskstats->cb)
		return -ENOMEM;
	if (genl_connect(taskstats->sock) < 0)
		return errno ? -errno : -EIO;
	if (setsockopt(nl_socket_get_fd(taskstats->sock), SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) < 0)
		return -errno;
	/* The answer is all there is; an acknowledgement would only be left over for the next. */
	nl_socket_disable_auto_ack(taskstats->sock);
	nl_cb_set(taskstats->cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, taskstats);
	nl_cb_err(taskstats->cb, NL_CB_CUSTOM, on_error, taskstats);
	return 0;
}

int qos_taskstats_new(struct qos_taskstats **ret)
{
	_cleanup_taskstats_ struct qos_taskstats *taskstats = calloc(1, sizeof(*taskstats));
	struct qos_taskstats_sample sample;
	int r;

	if (!taskstats)
		return -ENOMEM;
	r = open_socket(taskstats);
	if (r < 0)
		return r;
	taskstats->family = genl_ctrl_resolve(taskstats->sock, TASKSTATS_GENL_NAME);
	if (taskstats->family < 0)
		return -ENOENT;
	/* Whether we may ask is known only from asking. */
	r = qos_taskstats_read(taskstats, getpid(), &sample);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(taskstats);
	return 0;
}

void qos_taskstats_free(struct qos_taskstats *taskstats)
{
	if (!taskstats)
		return;
	nl_cb_put(taskstats->cb);
	nl_socket_free(taskstats->sock);
	free(taskstats);
}

int qos_taskstats_read(struct qos_taskstats *taskstats, pid_t tid, struct qos_taskstats_sample *ret)
{
	struct nl_msg *msg = nlmsg_alloc();
	int r = -ENOMEM;

	if (!msg)
		return r;
	taskstats->tid = tid;
	if (genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, taskstats->family, 0, 0, TASKSTATS_CMD_GET,
			TASKSTATS_GENL_VERSION) &&
	    !nla_put_u32(msg, TASKSTATS_CMD_ATTR_PID, tid))
		r = ask(taskstats, msg);
	nlmsg_free(msg);
	if (!r)
		*ret = taskstats->sample;
	return r;
}
