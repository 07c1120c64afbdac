/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * panic: everything back as it was. The daemon does it if it answers, else the module gives back what it
 * has, and then the pinned records of what threads were do: neither needs a daemon, and they are there
 * after any crash. But not behind a daemon
 * that lives, only does not answer: it would take what we restore for drift, or for lost.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>

#include "client.h"
#include "kern/genl_dwcs.h"
#include "kern/probe_module.h"
#include "state/links.h"
#include "state/originals.h"

static int count(void *data, pid_t tid, const struct qos_original *original)
{
	(*(json_int_t *)data)++;
	return 0;
}

/* Beside the daemon's socket. */
static int sibling(const char *socket, const char *name, char *path)
{
	char copy[PATH_MAX];

	if (snprintf(copy, sizeof(copy), "%s", socket) >= PATH_MAX ||
	    snprintf(path, PATH_MAX, "%s/%s", dirname(copy), name) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

/* Queues of interfaces, from the records in the run directory. */
static int restore_links(const struct qos_cli *cli)
{
	_cleanup_links_ struct qos_links *links = NULL;
	_cleanup_tc_ struct qos_tc *tc = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	char dir[PATH_MAX];
	int r = sibling(cli->socket, "", dir);

	if (r == 0)
		r = qos_links_load(dir, &diag, &links);
	qos_diag_reset(&diag);
	if (r == 0 && links->n)
		r = qos_tc_new(&tc);
	if (r == 0 && links->n)
		r = qos_links_restore_all(links, tc);
	if (!r)
		return QOS_EXIT_OK;
	return qos_cli_fail(cli, QOS_EXIT_FAILURE, "tc qdisc shows them: handle 5105:",
			    "queues of interfaces could not all be put back");
}

/* nothing_in: where no records were found, or NULL. */
static int report(const struct qos_cli *cli, json_int_t restored, json_int_t failed,
		  const char *nothing_in)
{
	_cleanup_json_ json_t *document =
		json_pack("{s:i, s:I, s:I, s:s, s:s?}", "schema", 1, "restored", restored, "failed",
			  failed, "by", "qosctl", "nothing_in", nothing_in);

	if (!document)
		return qos_cli_no_memory(cli);
	qos_cli_print(cli, document, qos_out_panic);
	return failed ? QOS_EXIT_FAILURE : QOS_EXIT_OK;
}

static int open_failed(const struct qos_cli *cli, int r, const struct qos_diag *diag)
{
	_cleanup_json_ json_t *diagnostics = json_array();

	if (qos_out_diag_json(diag, diagnostics) == 0)
		qos_out_diagnostics(&cli->err, diagnostics);
	return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: %s", cli->pin_dir, strerror(-r));
}

/* Holds the daemon's own lock, beside its socket, so that none starts meanwhile. -EBUSY: one lives.
 * -ENOENT and the like: none ever ran here. */
static int take_lock(const char *socket)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int r = sibling(socket, "lock", path);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return TAKE_FD(fd);
}

static int fail_busy(const struct qos_cli *cli)
{
	return qos_cli_fail(cli, QOS_EXIT_FAILURE,
			    "sudo systemctl kill -s KILL qosd, then qosctl panic again",
			    "qosd lives but does not answer, and would undo what is restored "
			    "behind it");
}

/* What the module has, it gives back; before the records, which would take what it set for drift. Its
 * threads are recorded too, so they are counted there. *ret_n: those that it had. */
static int flush_module(const struct qos_cli *cli, json_int_t *ret_n)
{
	_cleanup_genl_ struct qos_genl *genl = NULL;
	struct qos_dwcs_info info = {};
	int r = qos_module_is_loaded() ? qos_dwcs_connect(&genl) : -ENODEV;

	*ret_n = 0;
	if (r < 0 || !qos_genl_is_there(genl))
		return QOS_EXIT_OK;
	r = qos_dwcs_info(genl, &info);
	if (r == 0)
		r = qos_dwcs_flush(genl);
	if (r < 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, "sudo rmmod qos_dwcs gives all back too",
				    "the module qos_dwcs: %s", strerror(-r));
	*ret_n = info.threads;
	return QOS_EXIT_OK;
}

/* From the records. The pin stays if a thread could not be restored, for another try. */
static int restore_recorded(const struct qos_cli *cli, json_int_t flushed)
{
	_cleanup_originals_ struct qos_originals *originals = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	json_int_t n = 0;
	int r;

	r = qos_originals_open(cli->pin_dir, false, &diag, &originals);
	if (r == 0)
		r = qos_originals_lock(originals, NULL);
	if (r == -ENOENT)
		r = report(cli, flushed, 0, cli->pin_dir);
	else if (r == -EBUSY)
		r = fail_busy(cli);
	else if (r < 0)
		r = open_failed(cli, r, &diag);
	qos_diag_reset(&diag);
	if (r || !originals)
		return r;
	qos_originals_each(originals, count, &n);
	r = qos_originals_restore_all(originals);
	if (r < 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: %s", cli->pin_dir,
				    strerror(-r));
	if (r == 0)
		qos_originals_unpin(originals);
	return report(cli, n - r, r, NULL);
}

/* Without the daemon. */
static int restore(const struct qos_cli *cli)
{
	_cleanup_close_ int lock = -1;
	json_int_t flushed;
	int r, status, links;

	if (geteuid() != 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, "sudo qosctl panic",
				    "qosd does not answer, and without it only root can restore");
	lock = take_lock(cli->socket);
	if (lock == -EBUSY)
		return fail_busy(cli);
	links = restore_links(cli);
	status = flush_module(cli, &flushed);
	r = restore_recorded(cli, flushed);
	return r ? r : status ? status : links;
}

int qos_cmd_panic(struct qos_cli *cli)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Panic", "")) {
		/* It hangs, or is of another mind: root gets his way all the same. */
		if (answer.status != QOS_EXIT_NO_DAEMON)
			qos_client_complain(cli, &answer);
		if (answer.status != QOS_EXIT_NO_DAEMON && geteuid() != 0)
			return answer.status;
		return restore(cli);
	}
	json_object_set_new(answer.json, "by", json_string("daemon"));
	qos_cli_print(cli, answer.json, qos_out_panic);
	return qos_json_int(answer.json, "failed", 0) ? QOS_EXIT_FAILURE : QOS_EXIT_OK;
}
