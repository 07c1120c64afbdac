/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process or a unit, and the terms that match it again. Weakness: a file and a user are all that is
 * known of a program that is no unit's; where others share them, or the file is an interpreter, its
 * arguments are taken too, which differ as soon as somebody starts it differently.
 */
#include "whom.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "observe.h"

static int find_process(const struct qos_cli *cli, const char *target, struct qos_whom *whom)
{
	uint64_t pid;
	pid_t tgid;
	int r;

	if (qos_parse_count(target, INT_MAX, &pid) < 0)
		return qos_cli_fail(cli, QOS_EXIT_USAGE, NULL, "%s is no process id", target);
	r = qos_proc_tgid((pid_t)pid, &tgid);
	if (r == 0)
		r = qos_proc_read_process(tgid, &whom->facts);
	if (r < 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE,
				    r == -ESRCH ? "`ps -e` lists the processes there are" : NULL,
				    "process %s: %s", target,
				    r == -ESRCH ? "there is none" : strerror(-r));
	if (whom->facts->task.kernel_thread)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, "contracts are for programs",
				    "process %s is a thread of the kernel (%s)", target,
				    whom->facts->task.comm);
	if (tgid == 1)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, "contracts are for programs",
				    "process 1 is no contract's");
	whom->tgid = tgid;
	if (asprintf(&whom->subject, "process %d (%s)", tgid, whom->facts->task.process_comm) < 0)
		return qos_cli_no_memory(cli);
	return QOS_EXIT_OK;
}

static int find_unit(const struct qos_cli *cli, const char *target, struct qos_whom *whom)
{
	pid_t tgid;

	if (asprintf(&whom->unit, "%s%s", target, strchr(target, '.') ? "" : ".service") < 0 ||
	    asprintf(&whom->subject, "unit %s", whom->unit) < 0)
		return qos_cli_no_memory(cli);
	tgid = qos_observe_find_unit(whom->unit);
	if (tgid < 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "/proc: %s", strerror(-tgid));
	if (!tgid || qos_proc_read_process(tgid, &whom->facts) < 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE,
				    "start it first; `systemctl list-units` has those that run",
				    "unit %s is not running", whom->unit);
	return QOS_EXIT_OK;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* --- for `match` --- */

static bool is_service(const char *unit)
{
	size_t len = unit ? strlen(unit) : 0;

	return len > 8 && !strcmp(unit + len - 8, ".service") && strncmp(unit, "user@", 5) != 0;
}

static int read_exe(pid_t tgid, char *ret, size_t size)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", tgid);
	n = readlink(path, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

/* Another process of the same file and user? */
static int visit_twin(void *data, pid_t tgid)
{
	const struct qos_task *mine = data;
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;

	if (tgid == mine->tgid || qos_proc_read_process(tgid, &facts) < 0)
		return 0;
	return facts->task.exe_dev == mine->exe_dev && facts->task.exe_ino == mine->exe_ino &&
	       facts->task.uid == mine->uid;
}

/* Of a script the file is its interpreter, which runs others too; then the name is not the file's. */
static bool is_script(const struct qos_task *task, const char *exe)
{
	const char *base = strrchr(exe, '/');

	return base && strncmp(base + 1, task->process_comm, 15) != 0;
}

static int describe_file(const struct qos_cli *cli, struct qos_whom *whom)
{
	const struct qos_task *task = &whom->facts->task;
	int r = read_exe(task->tgid, whom->exe, sizeof(whom->exe));
	char *deleted;

	if (r < 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: its file: %s", whom->subject,
				    strerror(-r));
	deleted = strstr(whom->exe, " (deleted)");
	if (deleted)
		*deleted = '\0';
	whom->is_replaced = deleted;
	whom->origin.exe = whom->exe;
	if (!task->cmdline ||
	    (!is_script(task, whom->exe) && !qos_proc_each_process(visit_twin, (void *)task)))
		return QOS_EXIT_OK;
	whom->regex = qos_learn_regex(task->cmdline);
	if (!whom->regex)
		return qos_cli_no_memory(cli);
	whom->origin.cmdline = whom->regex;
	return QOS_EXIT_OK;
}

static void name_contract(const struct qos_cli *cli, struct qos_whom *whom)
{
	char text[QOS_CONTRACT_NAME_MAX + 1];
	const char *unit = whom->origin.unit ? whom->origin.unit : whom->origin.user_unit;

	snprintf(text, sizeof(text), "%.*s", unit ? (int)strcspn(unit, ".") : (int)sizeof(text) - 1,
		 unit ? unit : whom->facts->task.process_comm);
	qos_learn_name(text, '-', "recorded", whom->name, sizeof(whom->name));
	whom->origin.name = cli->name ? cli->name : whom->name;
}

/* A unit that was named is the one to match, of whatever kind; else a service that the process is in. */
static bool find_units(struct qos_whom *whom)
{
	const struct qos_task *task = &whom->facts->task;
	const char *unit = task->unit, *user_unit = task->user_unit;

	if (whom->unit ? unit && !strcmp(unit, whom->unit) : is_service(unit))
		whom->origin.unit = unit;
	else if (whom->unit || is_service(user_unit))
		whom->origin.user_unit = user_unit;
	return whom->origin.unit || whom->origin.user_unit;
}

static int visit_sibling(void *data, pid_t tgid)
{
	const struct qos_whom *whom = data;
	const char *unit = whom->origin.unit ? whom->origin.unit : whom->origin.user_unit;

	return tgid != whom->tgid && qos_observe_is_in_unit(tgid, unit);
}

static void name_user(struct qos_whom *whom)
{
	uid_t uid = whom->facts->task.uid;
	const struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(whom->user, sizeof(whom->user), "%s", user->pw_name);
	else
		snprintf(whom->user, sizeof(whom->user), "%u", uid);
	whom->origin.user = whom->user;
}

static int describe(const struct qos_cli *cli, struct qos_whom *whom)
{
	int r = QOS_EXIT_OK;

	whom->origin.subject = whom->subject;
	name_user(whom);
	if (!find_units(whom))
		r = describe_file(cli, whom);
	else if (whom->tgid)
		whom->has_siblings = qos_proc_each_process(visit_sibling, whom) > 0;
	name_contract(cli, whom);
	return r;
}

int qos_whom_find(const struct qos_cli *cli, const char *target, struct qos_whom *ret)
{
	int r = is_number(target) ? find_process(cli, target, ret) : find_unit(cli, target, ret);

	return r ? r : describe(cli, ret);
}

void qos_whom_reset(struct qos_whom *whom)
{
	qos_task_facts_free(whom->facts);
	free(whom->unit);
	free(whom->subject);
	free(whom->regex);
}
