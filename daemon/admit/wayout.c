/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refusals. The error gives the need and what is free, in the host's terms; the hint gives ways
 * out. Each was carried out on the book, by the same code that admits, and rolled back again, so
 * that no advice is given that would end in the next refusal. The work is bounded: at most
 * TRIES_MAX trials, and at most SHOWN_MAX ways are shown.
 *
 * Weakness: each way is tried alone. Where only two together would help, the hint says that none
 * was enough.
 */
#include "admit/wayout.h"

#include <string.h>

#include "admit/admit.h"
#include "admit/judge.h"
#include "admit/place.h"
#include "admit/wayout_parts.h"

#define SHOWN_MAX   4
#define TRIES_MAX   48
#define OTHERS_MAX  8 /* contracts that are asked to give way, the least important first */
#define PERCENT_MAX 24

/* Tenths of a percent below 10 %, whole ones above; a need is rounded up, what is free down. */
static const char *print_share(char *buf, size_t size, uint64_t ppb, bool up)
{
	uint64_t tenth = QOS_PPB / 1000, whole = QOS_PPB / 100;
	uint64_t tenths = (ppb + (up ? tenth - 1 : 0)) / tenth;

	if (tenths < 100 && tenths % 10)
		snprintf(buf, size, "%u.%u %%", (unsigned int)tenths / 10,
			 (unsigned int)tenths % 10);
	else
		snprintf(buf, size, "%llu %%",
			 (unsigned long long)((ppb + (up ? whole - 1 : 0)) / whole));
	return buf;
}

/* "camera" if it has one stream that nobody named, else the stream. */
static const char *stream_label(const struct qos_contract *contract, size_t i)
{
	if (contract->n_cpu == 1 && !strcmp(contract->cpu[i].name, "main"))
		return contract->name;
	return contract->cpu[i].name;
}

uint64_t qos_wayout_round_down(uint64_t ns)
{
	uint64_t unit = 1;

	while (ns / unit >= 1000)
		unit *= 10;
	return ns / unit * unit;
}

uint64_t qos_wayout_round_up(uint64_t ns)
{
	uint64_t unit = 1;

	while (ns / unit >= 1000)
		unit *= 10;
	return (ns + unit - 1) / unit * unit;
}

/* Is the contract (or its variant) admitted as the book stands? Leaves the book as it was. */
bool qos_wayout_is_admitted(struct qos_attempt *attempt, const struct qos_contract *contract)
{
	size_t mark = qos_book_mark(attempt->book), failed;
	bool admitted;

	if (attempt->tries >= TRIES_MAX || attempt->book->error)
		return false;
	attempt->tries++;
	admitted = qos_admit(attempt->book, contract, &failed);
	qos_book_rollback(attempt->book, mark);
	return admitted;
}

void qos_wayout_found(struct qos_attempt *attempt)
{
	if (attempt->n_found++)
		qos_buf_add(&attempt->found, " | ");
}

static bool with_runtime(struct qos_attempt *attempt, uint64_t ns)
{
	attempt->stream->runtime_ns = ns;
	return qos_wayout_is_admitted(attempt, &attempt->variant);
}

/* The largest runtime of at most three digits that is admitted, down to a quarter. */
static enum qos_answer less_runtime(struct qos_attempt *attempt)
{
	const struct qos_cpu_stream *wish = &attempt->contract->cpu[attempt->failed];
	uint64_t lo = wish->runtime_ns / QOS_WAYOUT_SCALE, hi = wish->runtime_ns;
	char text[QOS_UNIT_MAX];

	if (wish->runtime_range.set && wish->runtime_range.lo > lo)
		lo = wish->runtime_range.lo;
	if (lo == 0 || lo >= hi)
		return QOS_ANSWER_NOT_ASKED;
	if (!with_runtime(attempt, lo))
		return QOS_ANSWER_NO;
	for (int i = 0; i < QOS_WAYOUT_HALVINGS; i++) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (with_runtime(attempt, mid))
			lo = mid;
		else
			hi = mid;
	}
	if (qos_wayout_round_down(lo) >= wish->runtime_range.lo &&
	    with_runtime(attempt, qos_wayout_round_down(lo)))
		lo = qos_wayout_round_down(lo);
	qos_wayout_found(attempt);
	qos_buf_add(&attempt->found, "runtime: %s", qos_print_duration(text, sizeof(text), lo));
	return QOS_ANSWER_YES;
}

/* A deadline that was the period stays the period. */
static bool with_period(struct qos_attempt *attempt, uint64_t ns)
{
	const struct qos_cpu_stream *wish = &attempt->contract->cpu[attempt->failed];

	attempt->stream->period = (struct qos_period){.ns = ns};
	if (wish->deadline_ns == wish->period.ns)
		attempt->stream->deadline_ns = ns;
	return qos_wayout_is_admitted(attempt, &attempt->variant);
}

static enum qos_answer longer_period(struct qos_attempt *attempt)
{
	uint64_t lo = attempt->stream->period.ns, hi;
	char text[QOS_UNIT_MAX];

	if (lo > UINT64_MAX / QOS_WAYOUT_SCALE / 2)
		return QOS_ANSWER_NOT_ASKED;
	hi = QOS_WAYOUT_SCALE * lo;
	if (!with_period(attempt, hi))
		return QOS_ANSWER_NO;
	for (int i = 0; i < QOS_WAYOUT_HALVINGS; i++) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (with_period(attempt, mid))
			hi = mid;
		else
			lo = mid;
	}
	if (with_period(attempt, qos_wayout_round_up(hi)))
		hi = qos_wayout_round_up(hi);
	qos_wayout_found(attempt);
	qos_buf_add(&attempt->found, "period: %s", qos_print_duration(text, sizeof(text), hi));
	return QOS_ANSWER_YES;
}

static enum qos_answer all_cpus(struct qos_attempt *attempt)
{
	const struct qos_cpus *online = &attempt->book->capacity->online;
	char text[QOS_CPUS_TEXT_MAX];

	if ((attempt->stream->where == QOS_WHERE_ANY && attempt->book->n_general) ||
	    (attempt->stream->where == QOS_WHERE_LIST &&
	     qos_cpus_subset(online, &attempt->stream->cpus)))
		return QOS_ANSWER_NOT_ASKED;
	attempt->stream->where = QOS_WHERE_LIST;
	attempt->stream->cpus = *online;
	if (!qos_wayout_is_admitted(attempt, &attempt->variant))
		return QOS_ANSWER_NO;
	qos_wayout_found(attempt);
	qos_buf_add(&attempt->found, "cpus: %s", qos_cpus_print(text, sizeof(text), online));
	return QOS_ANSWER_YES;
}

enum qos_answer qos_wayout_best_effort(struct qos_attempt *attempt)
{
	if (attempt->contract->accept == QOS_BEST_EFFORT)
		return QOS_ANSWER_NOT_ASKED;
	attempt->variant.accept = QOS_BEST_EFFORT;
	if (!qos_wayout_is_admitted(attempt, &attempt->variant))
		return QOS_ANSWER_NO;
	qos_wayout_found(attempt);
	qos_buf_add(&attempt->found, "accept: best-effort");
	return QOS_ANSWER_YES;
}

/* One stream of another contract at the low end of its range. */
static bool is_enough_to_shrink(struct qos_attempt *attempt, struct qos_entry *other, size_t i)
{
	size_t mark = qos_book_mark(attempt->book);
	uint64_t lo = other->contract->cpu[i].runtime_range.lo;
	bool enough;

	enough = qos_place_try(attempt->book, other, i, QOS_SHARE_BASE, lo) &&
		 qos_wayout_is_admitted(attempt, attempt->contract);
	qos_book_rollback(attempt->book, mark);
	return enough;
}

static enum qos_answer others_shrink(struct qos_attempt *attempt)
{
	enum qos_answer answer = QOS_ANSWER_NOT_ASKED;
	unsigned int asked = 0;

	for (size_t k = 0; k < attempt->n_others && asked < OTHERS_MAX; k++) {
		struct qos_entry *other = attempt->others[k];

		for (size_t i = 0; i < other->grant.n_streams && asked < OTHERS_MAX; i++) {
			const struct qos_cpu_stream *wish = &other->contract->cpu[i];
			char from[QOS_UNIT_MAX], to[QOS_UNIT_MAX];

			if (!wish->runtime_range.set || wish->manage == QOS_MANAGE_OBSERVE ||
			    other->holds[i].base_ns <= wish->runtime_range.lo)
				continue;
			asked++;
			answer = QOS_ANSWER_NO;
			if (!is_enough_to_shrink(attempt, other, i))
				continue;
			qos_wayout_found(attempt);
			qos_buf_add(&attempt->found, "%s (importance %u): %s%sruntime %s -> %s",
				    other->contract->name, other->contract->importance,
				    other->contract->n_cpu > 1 ? wish->name : "",
				    other->contract->n_cpu > 1 ? " " : "",
				    qos_print_duration(from, sizeof(from), wish->runtime_ns),
				    qos_print_duration(to, sizeof(to), wish->runtime_range.lo));
			return QOS_ANSWER_YES;
		}
	}
	return answer;
}

static bool is_enough_to_disable(struct qos_attempt *attempt, struct qos_entry *other)
{
	size_t mark = qos_book_mark(attempt->book);
	bool enough;

	qos_book_remove(attempt->book, other);
	enough = qos_wayout_is_admitted(attempt, attempt->contract);
	qos_book_rollback(attempt->book, mark);
	return enough;
}

enum qos_answer qos_wayout_others_leave(struct qos_attempt *attempt)
{
	size_t n = attempt->n_others < OTHERS_MAX ? attempt->n_others : OTHERS_MAX;

	for (size_t k = 0; k < n; k++) {
		struct qos_entry *other = attempt->others[k];

		if (!is_enough_to_disable(attempt, other))
			continue;
		qos_wayout_found(attempt);
		qos_buf_add(&attempt->found, "disable %s (importance %u)", other->contract->name,
			    other->contract->importance);
		return QOS_ANSWER_YES;
	}
	return n ? QOS_ANSWER_NO : QOS_ANSWER_NOT_ASKED;
}

static const struct qos_way ways[] = {
	{"a runtime down to a quarter", less_runtime},
	{"less for another contract that has a range", others_shrink},
	{"all CPUs", all_cpus},
	{"a period up to four times as long", longer_period},
	{"accept: best-effort", qos_wayout_best_effort},
	{"disabling another contract", qos_wayout_others_leave},
};

/* Every way starts from the contract as it is. */
static void restore(struct qos_attempt *attempt)
{
	const struct qos_contract *contract = attempt->contract;

	attempt->variant.accept = contract->accept;
	if (contract->n_cpu)
		memcpy(attempt->variant.cpu, contract->cpu,
		       contract->n_cpu * sizeof(*contract->cpu));
	if (contract->n_net)
		memcpy(attempt->variant.net, contract->net,
		       contract->n_net * sizeof(*contract->net));
}

static void ask_all(struct qos_attempt *attempt, const struct qos_way *list, size_t n)
{
	for (size_t k = 0; k < n && attempt->n_found < SHOWN_MAX; k++) {
		restore(attempt);
		if (list[k].ask(attempt) == QOS_ANSWER_NO)
			qos_buf_add(&attempt->in_vain, "%s%s", attempt->in_vain.len ? ", " : "",
				    list[k].name);
	}
}

static int less_important_first(const void *a, const void *b)
{
	const struct qos_contract *x = (*(struct qos_entry *const *)a)->contract;
	const struct qos_contract *y = (*(struct qos_entry *const *)b)->contract;

	if (x->importance != y->importance)
		return x->importance < y->importance ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void find_others(struct qos_attempt *attempt)
{
	const struct qos_book *book = attempt->book;

	for (size_t k = 0; k < book->n_entries; k++) {
		if (book->entries[k]->contract->importance <= attempt->contract->importance)
			attempt->others[attempt->n_others++] = book->entries[k];
	}
	qsort(attempt->others, attempt->n_others, sizeof(*attempt->others), less_important_first);
}

void qos_wayout_advise(struct qos_book *book, const struct qos_contract *contract, size_t failed,
		       const struct qos_way *list, size_t n, struct qos_diag *diag)
{
	_cleanup_free_ struct qos_cpu_stream *cpu = calloc(contract->n_cpu + 1, sizeof(*cpu));
	_cleanup_free_ struct qos_net_stream *net = calloc(contract->n_net + 1, sizeof(*net));
	_cleanup_free_ struct qos_entry **others = calloc(book->n_entries + 1, sizeof(*others));
	struct qos_attempt attempt = {
		.book = book, .contract = contract, .variant = *contract, .failed = failed};

	if (!cpu || !net || !others)
		return;
	attempt.variant.cpu = cpu;
	attempt.variant.net = net;
	if (failed < contract->n_cpu)
		attempt.stream = &cpu[failed];
	else
		attempt.net = &net[failed - contract->n_cpu];
	attempt.others = others;
	find_others(&attempt);
	ask_all(&attempt, list, n);
	if (attempt.n_found && !attempt.found.error)
		qos_diag_hint(diag, "each of these alone was tried and is admitted: %s",
			      attempt.found.text);
	else if (attempt.in_vain.len && !attempt.in_vain.error)
		qos_diag_hint(diag, "none of these alone was enough: %s", attempt.in_vain.text);
	qos_buf_reset(&attempt.found);
	qos_buf_reset(&attempt.in_vain);
}

/* What stands against a stream although there is room for it. */
static const char *obstacle(const struct qos_book *book, const struct qos_entry *entry,
			    const struct qos_cpus *choice)
{
	if (entry->contract->accept == QOS_BEST_EFFORT)
		return "but then what others were promised would not hold";
	if (qos_cpus_subset(choice, &book->capacity->disturbed))
		return "but real-time work that qosd does not manage may delay it there";
	return "but no test proves that it meets its deadline beside the others";
}

static void describe_need(const struct qos_book *book, const struct qos_entry *entry, size_t i,
			  const struct qos_cpus *choice, struct qos_diag *diag)
{
	const struct qos_cpu_stream *wish = &entry->contract->cpu[i];
	uint64_t need = qos_book_demand(book, entry, i).util_ppb, left = 0;
	char need_text[PERCENT_MAX], left_text[PERCENT_MAX], cpus[QOS_CPUS_TEXT_MAX];

	if (qos_place_may_deadline(book, entry, i))
		left = qos_judge_free_general_ppb(book);
	QOS_CPU_FOREACH(cpu, choice) {
		if (qos_judge_free_ppb(book, cpu) > left)
			left = qos_judge_free_ppb(book, cpu);
	}
	qos_diag_error(diag, &wish->loc, "refused: %s needs %s of one CPU on %s; %s is free%s%s",
		       stream_label(entry->contract, i),
		       print_share(need_text, sizeof(need_text), need, true),
		       qos_cpus_print(cpus, sizeof(cpus), choice),
		       print_share(left_text, sizeof(left_text), left, false),
		       need <= left ? ", " : "", need <= left ? obstacle(book, entry, choice) : "");
}

/* The error alone; the stream has no seat. */
static void describe(const struct qos_book *book, const struct qos_entry *entry, size_t i,
		     struct qos_diag *diag)
{
	const struct qos_cpu_stream *wish = &entry->contract->cpu[i];
	struct qos_cpus choice = qos_place_choice(book, wish);
	const char *label = stream_label(entry->contract, i);
	char cpus[QOS_CPUS_TEXT_MAX];

	if (!qos_place_may_deadline(book, entry, i) && !book->capacity->fifo)
		qos_diag_error(diag, &wish->loc,
			       "refused: %s can have neither SCHED_DEADLINE nor SCHED_FIFO here%s",
			       label,
			       book->capacity->uncut ? ", where no task clock would cut it "
						       "(qosctl doctor has the remedy)"
						     : "");
	else if (qos_cpus_count(&choice))
		describe_need(book, entry, i, &choice, diag);
	else if (wish->where == QOS_WHERE_LIST)
		qos_diag_error(diag, &wish->loc, "refused: of the CPUs of %s (%s) none is online",
			       label, qos_cpus_print(cpus, sizeof(cpus), &wish->cpus));
	else
		qos_diag_error(diag, &wish->loc, "refused: %s finds no CPU that is online and %s",
			       label,
			       wish->where == QOS_WHERE_ISOLATED ? "isolated" : "not isolated");
}

void qos_wayout_refuse(struct qos_book *book, const struct qos_contract *contract, size_t failed,
		       struct qos_diag *diag)
{
	size_t mark = qos_book_mark(book);
	struct qos_entry *entry;

	qos_admit_take_all(book);
	entry = qos_book_insert(book, contract);
	if (entry && failed < contract->n_cpu)
		describe(book, entry, failed, diag);
	qos_book_rollback(book, mark);
	if (entry && failed < contract->n_cpu)
		qos_wayout_advise(book, contract, failed, ways, QOS_ARRAY_SIZE(ways), diag);
	else if (entry)
		qos_wayout_refuse_link(book, contract, failed, diag);
}

void qos_wayout_refuse_fifo(struct qos_book *book, struct qos_entry *entry, size_t i,
			    struct qos_diag *diag)
{
	describe(book, entry, i, diag);
	qos_diag_hint(diag, "the kernel refused SCHED_DEADLINE for it: `qosctl doctor` says why");
}

/* The most that fits, of three digits if that is tried and fits too. The book stays as it was. */
static uint64_t most_that_fits(struct qos_book *book, struct qos_entry *entry, size_t i,
			       uint64_t ns)
{
	uint64_t before = entry->grant.streams[i].granted_ns, most, rounded;
	size_t mark = qos_book_mark(book);

	qos_place_raise(book, entry, i, QOS_SHARE_GRANTED, ns);
	most = entry->grant.streams[i].granted_ns;
	rounded = qos_wayout_round_down(most);
	if (rounded > before && qos_place_try(book, entry, i, QOS_SHARE_GRANTED, rounded))
		most = rounded;
	qos_book_rollback(book, mark);
	return most;
}

void qos_wayout_refuse_change(struct qos_book *book, struct qos_entry *entry, size_t i, uint64_t ns,
			      struct qos_diag *diag)
{
	uint64_t before = entry->grant.streams[i].granted_ns, most;
	char asked[QOS_UNIT_MAX], held[QOS_UNIT_MAX], text[QOS_UNIT_MAX];

	if (!diag)
		return;
	most = most_that_fits(book, entry, i, ns);
	qos_diag_error(diag, &entry->contract->cpu[i].loc,
		       "refused: %s cannot have a runtime of %s; it has %s",
		       stream_label(entry->contract, i),
		       qos_print_duration(asked, sizeof(asked), ns),
		       qos_print_duration(held, sizeof(held), before));
	if (most > before)
		qos_diag_hint(diag, "%s was tried and is admitted",
			      qos_print_duration(text, sizeof(text), most));
	else
		qos_diag_hint(diag, "nothing above what it has would be admitted");
}
