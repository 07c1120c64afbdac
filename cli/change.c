/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Install, reload, look, and put back if it was no good. Signals wait meanwhile: between installing
 * and the verdict a ^C would leave a file that nobody judged.
 */
#include "change.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "client.h"
#include "install.h"
#include "util/file.h"

static int system_failed(const struct qos_cli *cli, const char *path, int r)
{
	const char *hint = geteuid() ? "only root may change contracts: try sudo" : NULL;

	if (r == -EROFS)
		hint = "the directory is read-only; --runtime installs under /run";
	if (r == -ENOSPC || r == -EDQUOT)
		hint = "make room there";
	return qos_cli_fail(cli, QOS_EXIT_FAILURE, hint, "%s: %s", path, strerror(-r));
}

static int install(const struct qos_change *change, const char *path)
{
	if (change->target)
		return qos_install_link(path, change->target);
	if (change->bytes)
		return qos_file_write_atomic(path, change->bytes, change->len, 0644);
	return unlink(path) < 0 ? -errno : 0;
}

static bool names_it(const json_t *names, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(names, i, item) {
		if (json_is_string(item) && !strcmp(json_string_value(item), name))
			return true;
	}
	return false;
}

/* By file name: that is a contract's identity in the search path, whatever way the daemon and we
 * spell the directory. */
static bool names_file(const json_t *paths, const char *path)
{
	const json_t *item;
	size_t i;

	json_array_foreach(paths, i, item) {
		if (json_is_string(item) &&
		    !strcmp(basename(json_string_value(item)), basename(path)))
			return true;
	}
	return false;
}

/* Errors of this file, and those that name none. Its warnings were said before it was installed. */
static void take_diagnostics(json_t *document, const json_t *reload, const char *path)
{
	json_t *list = json_object_get(document, "diagnostics");
	json_t *diagnostic;
	size_t i;

	json_array_foreach(json_object_get(reload, "diagnostics"), i, diagnostic) {
		const char *file = qos_json_text(diagnostic, "file", "");

		if (strcmp(qos_json_text(diagnostic, "severity", "error"), "error"))
			continue;
		if (!*file || !strcmp(basename(file), basename(path)))
			json_array_append(list, diagnostic);
	}
}

static int judge_reload(const struct qos_cli *cli, const struct qos_change *change,
			const char *path, const json_t *reload)
{
	if (!change->contract)
		return QOS_EXIT_OK;
	if (names_file(json_object_get(reload, "invalid"), path))
		return qos_cli_fail(cli, QOS_EXIT_INVALID, "all is as it was before",
				    "qosd finds %s invalid", path);
	if (names_it(json_object_get(reload, "refused"), change->contract))
		return qos_cli_fail(cli, QOS_EXIT_REFUSED, "all is as it was before",
				    "%s is refused by admission", change->contract);
	return QOS_EXIT_OK;
}

static bool same_file(const char *a, const char *b)
{
	struct stat st_a, st_b;

	return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
	       st_a.st_ino == st_b.st_ino;
}

static int not_read(const struct qos_cli *cli, const char *path, const char *instead)
{
	return qos_cli_fail(cli, QOS_EXIT_FAILURE,
			    "`qosctl list` shows the files that it reads; all is as it was before",
			    "the running qosd does not read %s%s%s", path, instead ? " but " : "",
			    instead ? instead : "");
}

/* State and guarantee as they are now. A contract that the daemon does not know after a reload, or
 * knows from another file, lies in a directory that it does not read. */
static int look(const struct qos_cli *cli, const struct qos_change *change, const char *path,
		json_t *document)
{
	static const char *const keys[] = {"state", "reason", "guarantee"};
	_cleanup_answer_ struct qos_answer answer = {};

	if (!change->contract)
		return QOS_EXIT_OK;
	if (qos_client_call(cli->socket, &answer, "Report", "ss", "show", change->contract))
		return answer.status == QOS_EXIT_NO_CONTRACT ? not_read(cli, path, NULL)
							     : qos_client_complain(cli, &answer);
	if (!same_file(path, qos_json_text(answer.json, "file", "")))
		return not_read(cli, path, qos_json_text(answer.json, "file", "another"));
	for (size_t i = 0; i < QOS_ARRAY_SIZE(keys); i++)
		json_object_set(document, keys[i], json_object_get(answer.json, keys[i]));
	return QOS_EXIT_OK;
}

static int reload(const struct qos_cli *cli, const struct qos_change *change, const char *path,
		  json_t *document)
{
	_cleanup_answer_ struct qos_answer answer = {};
	int r;

	if (qos_client_call(cli->socket, &answer, "Reload", "") == QOS_EXIT_NO_DAEMON) {
		json_object_set_new(document, "running", json_false());
		return QOS_EXIT_OK;
	}
	if (answer.status)
		return qos_client_complain(cli, &answer);
	take_diagnostics(document, answer.json, path);
	qos_cli_diagnostics(cli, json_object_get(document, "diagnostics"));
	r = judge_reload(cli, change, path, answer.json);
	return r ? r : look(cli, change, path, document);
}

/* The time that runs is another change's: its undoing would undo this one too, or not all of it. */
static int check_alone(const struct qos_cli *cli)
{
	_cleanup_answer_ struct qos_answer answer = {};
	const json_t *other;

	if (qos_client_call(cli->socket, &answer, "Report", "ss", "status", ""))
		return QOS_EXIT_OK; /* who is not there has no time running */
	other = json_object_get(answer.json, "unconfirmed");
	if (!json_is_object(other))
		return QOS_EXIT_OK;
	return qos_cli_fail(cli, QOS_EXIT_FAILURE,
			    "`qosctl confirm` keeps it, `qosctl confirm --undo` puts back what was "
			    "there",
			    "%s waits for its confirmation; nothing was changed",
			    qos_json_text(other, "file", "another change"));
}

static int guard(const struct qos_cli *cli, const struct qos_change *change, json_t *document)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (!change->confirm_ns)
		return QOS_EXIT_OK;
	if (qos_client_call(cli->socket, &answer, "Guard", "sst", change->dir, change->name,
			    change->confirm_ns))
		return qos_client_complain(cli, &answer);
	json_object_set_new(document, "confirm_s",
			    json_integer((json_int_t)(change->confirm_ns / 1000000000)));
	return QOS_EXIT_OK;
}

/* The daemon has what stood there. If it is gone, so that it cannot, what we remember is as good; a daemon
 * that comes back finds nothing to put back, or the same. */
static bool daemon_put_back(const struct qos_cli *cli, const struct qos_change *change)
{
	_cleanup_answer_ struct qos_answer answer = {};

	return change->confirm_ns && !qos_client_call(cli->socket, &answer, "Confirm", "b", 0);
}

static void put_back(const struct qos_cli *cli, const char *path, const struct qos_before *before)
{
	_cleanup_answer_ struct qos_answer answer = {};
	int r = qos_install_put_back(path, before);

	if (r < 0)
		system_failed(cli, path, r);
	qos_client_call(cli->socket, &answer, "Reload", "");
}

static int make(const struct qos_cli *cli, const struct qos_change *change, const char *path,
		json_t *document)
{
	_cleanup_before_ struct qos_before before = {};
	int r, guarded;

	r = qos_install_remember(path, &before);
	if (r == 0)
		r = qos_file_mkdirs(change->dir, 0755);
	if (r < 0)
		return system_failed(cli, path, r);
	guarded = check_alone(cli);
	if (!guarded)
		guarded = guard(cli, change, document);
	if (guarded)
		return guarded;
	r = install(change, path);
	if (r < 0) { /* then what stood there stands */
		system_failed(cli, path, r);
		daemon_put_back(cli, change);
		return QOS_EXIT_FAILURE;
	}
	r = reload(cli, change, path, document);
	if (r && !daemon_put_back(cli, change))
		put_back(cli, path, &before);
	return r;
}

int qos_change_make(const struct qos_cli *cli, const struct qos_change *change, json_t *document)
{
	_cleanup_free_ char *path = NULL;
	sigset_t signals, before;
	int r;

	if (asprintf(&path, "%s/%s.yaml", change->dir, change->name) < 0)
		return qos_cli_no_memory(cli);
	json_object_set_new(document, "file", json_string(path));
	json_object_set_new(document, "running", json_true());
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);
	r = make(cli, change, path, document);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
