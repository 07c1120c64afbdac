/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A good contract on this machine. What may appear later (a CPU, a user, an interface) is a warning,
 * and the contract waits for it; what the kernel can never do is an error. Facts that the host does
 * not know are not judged, so a check for another machine with a partial dump says nothing wrong.
 */
#include "contract/check.h"

#include <errno.h>
#include <string.h>

#include "contract/match.h"

static void check_listed_cpus(const struct qos_cpu_stream *stream, const struct qos_host *host,
			      struct qos_diag *diag)
{
	struct qos_cpus missing = qos_cpus_minus(&stream->cpus, &host->online);
	char absent[QOS_CPUS_TEXT_MAX], online[QOS_CPUS_TEXT_MAX];

	if (!qos_cpus_count(&host->online) || !qos_cpus_count(&missing))
		return;
	qos_diag_warning(diag, &stream->loc, "cpus: %s of stream %s %s not online",
			 qos_cpus_print(absent, sizeof(absent), &missing), stream->name,
			 qos_cpus_count(&missing) == 1 ? "is" : "are");
	qos_diag_hint(diag, "online are %s; the stream waits for the others",
		      qos_cpus_print(online, sizeof(online), &host->online));
}

static void check_cpus(const struct qos_cpu_stream *stream, const struct qos_host *host,
		       struct qos_diag *diag)
{
	switch (stream->where) {
	case QOS_WHERE_ANY:
		return;
	case QOS_WHERE_LIST:
		check_listed_cpus(stream, host, diag);
		return;
	case QOS_WHERE_ISOLATED:
		if (!qos_cpus_count(&host->online) || qos_cpus_count(&host->isolated))
			return;
		qos_diag_warning(diag, &stream->loc,
				 "cpus: stream %s wants isolated CPUs, and there are none",
				 stream->name);
		qos_diag_hint(diag, "boot with isolcpus=, make an isolated cpuset partition, or "
				    "list CPUs by number");
	}
}

static int check_probes(const struct qos_cpu_stream *stream, const struct qos_host *host,
			struct qos_diag *diag)
{
	if (stream->job != QOS_JOB_PROBES || host->feature[QOS_FEATURE_UPROBES] != QOS_ABSENT)
		return 0;
	qos_diag_error(diag, &stream->loc,
		       "job: this kernel has no user probes, stream %s needs "
		       "them",
		       stream->name);
	qos_diag_hint(diag, "use a kernel with CONFIG_UPROBE_EVENTS, or `job: wakeup` or "
			    "`job: period`");
	return -EINVAL;
}

static bool is_listed(const char *name, char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static bool is_number(const char *text)
{
	return !text[strspn(text, "0123456789")];
}

static void check_account(const struct qos_match *term, char *const *names, size_t n,
			  struct qos_diag *diag)
{
	const char *key = qos_match_key_names[term->key];

	if (!names || is_number(term->value) || is_listed(term->value, names, n))
		return;
	qos_diag_warning(diag, &term->loc, "%s: there is no %s '%s' here", key, key, term->value);
	qos_diag_hint(diag, "nothing matches until it exists; see getent(1) for those there are");
}

static void check_accounts(const struct qos_match *match, const struct qos_host *host,
			   struct qos_diag *diag)
{
	for (size_t i = 0; i < match->n_children; i++)
		check_accounts(match->children[i], host, diag);
	if (match->kind != QOS_MATCH_TERM)
		return;
	if (match->key == QOS_MATCH_USER)
		check_account(match, host->users, host->n_users, diag);
	if (match->key == QOS_MATCH_GROUP)
		check_account(match, host->groups, host->n_groups, diag);
}

/* Who may run the file, or may start a unit of that name in a session of his own, has it. */
static bool is_open_to_all(enum qos_match_key key)
{
	return key == QOS_MATCH_EXE || key == QOS_MATCH_USER_UNIT;
}

/* The term that makes a branch anchored though anybody can obtain it, if it has no better one. */
static const struct qos_match *open_term(const struct qos_match *match)
{
	const struct qos_match *open = NULL;

	if (match->kind == QOS_MATCH_TERM)
		return is_open_to_all(match->key) ? match : NULL;
	for (size_t i = 0; match->kind == QOS_MATCH_ALL && i < match->n_children; i++) {
		const struct qos_match *child = match->children[i];

		if (!qos_match_is_anchored(child))
			continue;
		if (child->kind != QOS_MATCH_TERM || !is_open_to_all(child->key))
			return NULL;
		open = child;
	}
	return open;
}

/* Each alternative is judged by itself. */
static void check_privilege(const struct qos_match *match, struct qos_diag *diag)
{
	const struct qos_match *open = open_term(match);

	for (size_t i = 0; match->kind == QOS_MATCH_ANY && i < match->n_children; i++)
		check_privilege(match->children[i], diag);
	if (!open)
		return;
	if (open->key == QOS_MATCH_EXE)
		qos_diag_note(diag, &open->loc, "exe: whoever may run %s gets this contract",
			      open->value);
	else
		qos_diag_note(diag, &open->loc, "user-unit: every user can start a unit named %s",
			      open->value);
	qos_diag_hint(diag,
		      "if that is too many, add user, group, unit, slice or cgroup beside it");
}

static void check_interface(const struct qos_net_stream *stream, const struct qos_host *host,
			    struct qos_diag *diag)
{
	if (!host->n_interfaces)
		return;
	for (size_t i = 0; i < host->n_interfaces; i++)
		if (!strcmp(host->interfaces[i].name, stream->interface))
			return;
	qos_diag_warning(diag, &stream->loc, "interface: there is no %s here", stream->interface);
	qos_diag_hint(diag, "stream %s waits for it; see ip-link(8) for those there are",
		      stream->name);
}

/* Nobody could say which of the two a packet belongs to. */
static void check_twins(const struct qos_contract *contract, size_t i, struct qos_diag *diag)
{
	const struct qos_net_stream *stream = &contract->net[i];

	for (size_t k = 0; k < i; k++) {
		const struct qos_net_stream *first = &contract->net[k];

		if (strcmp(first->interface, stream->interface) != 0 ||
		    !qos_flow_equal(&first->match, &stream->match))
			continue;
		qos_diag_error(diag, &stream->loc, "match: stream %s has the very packets of %s",
			       stream->name, first->name);
		qos_diag_hint(diag, "give one of them a narrower match; the narrower one counts");
		return;
	}
}

int qos_contract_check(const struct qos_contract *contract, const struct qos_host *host,
		       struct qos_diag *diag)
{
	size_t before = diag->n_errors;

	check_accounts(contract->match, host, diag);
	check_privilege(contract->match, diag);
	for (size_t i = 0; i < contract->n_cpu; i++) {
		check_cpus(&contract->cpu[i], host, diag);
		check_probes(&contract->cpu[i], host, diag);
	}
	for (size_t i = 0; i < contract->n_net; i++) {
		check_interface(&contract->net[i], host, diag);
		check_twins(contract, i, diag);
	}
	return diag->n_errors > before ? -EINVAL : 0;
}

int qos_contract_check_names(struct qos_contract *const *contracts, size_t n, struct qos_diag *diag)
{
	int r = 0;

	for (size_t i = 1; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct qos_loc *first = &contracts[j]->loc;

			if (strcmp(contracts[i]->name, contracts[j]->name) != 0)
				continue;
			r = qos_diag_error(diag, &contracts[i]->loc,
					   "contract: the name '%s' is taken", contracts[i]->name);
			qos_diag_hint(diag,
				      "by %s:%u; rename one of the two, or let a file of the "
				      "same name replace the other",
				      first->file, first->line);
			break;
		}
	}
	return r;
}
