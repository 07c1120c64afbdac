/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which thread belongs to which contract. What each key compares:
 *   unit user-unit slice comm parent   pattern with * ? and [sets] (backslash is a plain letter,
 *                                      as in systemd's escaped names)
 *   cgroup                             that cgroup and all below it
 *   exe                                device and inode of the path
 *   cmdline                            regular expression for the whole of it, see regex.h
 *   user                               number, or what the name stands for
 *   group                              what the name stands for, any group of the process
 * In a group the terms that cost little are asked first, so that files are looked up and regular
 * expressions run only where everything else fits already.
 * Weakness: an expression is compiled anew each time, some microseconds.
 */
#include "contract/match.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "contract/regex.h"
#include "util/units.h"

/* What a node costs to ask, lowest first: compare, look up a person, a file, a group of terms, a regular
 * expression. */
enum { COST_TEXT, COST_PERSON, COST_EXE, COST_GROUP, COST_REGEX, N_COSTS };

/* One question: does this term hold for that task? */
typedef bool ask_fn(const char *value, const struct qos_task *task,
		    const struct qos_resolver *names);

static bool fits(const char *pattern, const char *text)
{
	return text && fnmatch(pattern, text, FNM_NOESCAPE) == 0;
}

static bool ask_unit(const char *value, const struct qos_task *task,
		     const struct qos_resolver *names)
{
	return fits(value, task->unit);
}

static bool ask_user_unit(const char *value, const struct qos_task *task,
			  const struct qos_resolver *names)
{
	return fits(value, task->user_unit);
}

static bool ask_slice(const char *value, const struct qos_task *task,
		      const struct qos_resolver *names)
{
	return fits(value, task->slice);
}

static bool ask_comm(const char *value, const struct qos_task *task,
		     const struct qos_resolver *names)
{
	return fits(value, task->process_comm);
}

static bool ask_parent(const char *value, const struct qos_task *task,
		       const struct qos_resolver *names)
{
	return fits(value, task->parent_comm);
}

static bool ask_cgroup(const char *value, const struct qos_task *task,
		       const struct qos_resolver *names)
{
	size_t len = strlen(value);

	while (len > 0 && value[len - 1] == '/')
		len--;
	return len > 0 && task->cgroup && strncmp(task->cgroup, value, len) == 0 &&
	       (task->cgroup[len] == '\0' || task->cgroup[len] == '/');
}

static bool look_up(const struct qos_resolver *names, enum qos_match_key key, const char *name,
		    struct qos_named *ret)
{
	return names && names->resolve(names->data, key, name, ret);
}

static bool ask_exe(const char *value, const struct qos_task *task,
		    const struct qos_resolver *names)
{
	struct qos_named file;

	if (!task->exe_dev && !task->exe_ino)
		return false;
	return look_up(names, QOS_MATCH_EXE, value, &file) && file.dev == task->exe_dev &&
	       file.id == task->exe_ino;
}

static bool ask_cmdline(const char *value, const struct qos_task *task,
			const struct qos_resolver *names)
{
	return task->cmdline && qos_regex_fits(value, task->cmdline);
}

static bool ask_user(const char *value, const struct qos_task *task,
		     const struct qos_resolver *names)
{
	struct qos_named user;
	uint64_t uid;

	if (qos_parse_count(value, UINT32_MAX, &uid) == 0)
		return uid == task->uid;
	return look_up(names, QOS_MATCH_USER, value, &user) && user.id == task->uid;
}

static bool ask_group(const char *value, const struct qos_task *task,
		      const struct qos_resolver *names)
{
	struct qos_named group;

	if (!look_up(names, QOS_MATCH_GROUP, value, &group))
		return false;
	for (size_t i = 0; i < task->n_gids; i++)
		if (task->gids[i] == group.id)
			return true;
	return false;
}

static const struct {
	ask_fn *ask;
	int cost;
	bool anchor; /* a process cannot choose it for itself */
} keys[] = {
	[QOS_MATCH_UNIT] = {ask_unit, COST_TEXT, true},
	[QOS_MATCH_USER_UNIT] = {ask_user_unit, COST_TEXT, true},
	[QOS_MATCH_CGROUP] = {ask_cgroup, COST_TEXT, true},
	[QOS_MATCH_SLICE] = {ask_slice, COST_TEXT, true},
	[QOS_MATCH_EXE] = {ask_exe, COST_EXE, true},
	[QOS_MATCH_COMM] = {ask_comm, COST_TEXT, false},
	[QOS_MATCH_CMDLINE] = {ask_cmdline, COST_REGEX, false},
	[QOS_MATCH_USER] = {ask_user, COST_PERSON, true},
	[QOS_MATCH_GROUP] = {ask_group, COST_PERSON, true},
	[QOS_MATCH_PARENT] = {ask_parent, COST_TEXT, false},
};

static int cost_of(const struct qos_match *match)
{
	return match->kind == QOS_MATCH_TERM ? keys[match->key].cost : COST_GROUP;
}

/* All and any are one walk: it ends at the first child that answers `stop`. */
static bool walk(const struct qos_match *match, const struct qos_task *task,
		 const struct qos_resolver *names, bool stop)
{
	for (int cost = 0; cost < N_COSTS; cost++)
		for (size_t i = 0; i < match->n_children; i++)
			if (cost_of(match->children[i]) == cost &&
			    qos_match_holds(match->children[i], task, names) == stop)
				return stop;
	return !stop;
}

bool qos_match_holds(const struct qos_match *match, const struct qos_task *task,
		     const struct qos_resolver *names)
{
	switch (match->kind) {
	case QOS_MATCH_ALL:
		return walk(match, task, names, false);
	case QOS_MATCH_ANY:
		return walk(match, task, names, true);
	case QOS_MATCH_NOT:
		return !qos_match_holds(match->children[0], task, names);
	case QOS_MATCH_TERM:
		return keys[match->key].ask(match->value, task, names);
	}
	return false;
}

bool qos_match_task(const struct qos_match *match, const struct qos_task *task,
		    const struct qos_resolver *names)
{
	if (!match || task->kernel_thread || task->tgid == 1 || task->own)
		return false;
	return qos_match_holds(match, task, names);
}

int qos_match_stream(const struct qos_contract *contract, const struct qos_task *task)
{
	for (size_t i = 0; i < contract->n_cpu; i++) {
		const struct qos_cpu_stream *stream = &contract->cpu[i];

		if (!stream->n_threads)
			return (int)i;
		for (size_t j = 0; j < stream->n_threads; j++)
			if (fits(stream->threads[j], task->comm))
				return (int)i;
	}
	return -1;
}

bool qos_match_beats(const struct qos_contract *a, const struct qos_contract *b)
{
	if (a->importance != b->importance)
		return a->importance > b->importance;
	return strcmp(a->name, b->name) < 0;
}

int qos_match_select(struct qos_contract *const *contracts, size_t n, const struct qos_task *task,
		     const struct qos_resolver *names, int *losers, size_t max_losers,
		     size_t *n_losers)
{
	size_t lost = 0;
	int best = -1;

	for (size_t i = 0; i < n; i++) {
		int loser = best;

		if (!qos_match_task(contracts[i]->match, task, names))
			continue;
		if (best < 0 || qos_match_beats(contracts[i], contracts[best]))
			best = (int)i;
		else
			loser = (int)i;
		if (loser < 0)
			continue;
		if (lost < max_losers)
			losers[lost] = loser;
		lost++;
	}
	if (n_losers)
		*n_losers = lost;
	return best;
}

bool qos_match_is_anchored(const struct qos_match *match)
{
	bool all = match->n_children > 0;

	switch (match->kind) {
	case QOS_MATCH_TERM:
		return keys[match->key].anchor;
	case QOS_MATCH_NOT:
		return false;
	case QOS_MATCH_ALL:
		for (size_t i = 0; i < match->n_children; i++)
			if (qos_match_is_anchored(match->children[i]))
				return true;
		return false;
	case QOS_MATCH_ANY:
		for (size_t i = 0; i < match->n_children; i++)
			all &= qos_match_is_anchored(match->children[i]);
		return all;
	}
	return false;
}

int qos_match_check_regex(const char *regex)
{
	return qos_regex_check(regex) ? -EINVAL : 0;
}
