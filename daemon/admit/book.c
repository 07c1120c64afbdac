/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries, sums, and the log. Admission tries much and keeps little: a log of old values makes a
 * trial cost what it changes, not what the book holds, and every way out is tried on the real sums.
 * qos_book_keep drops records that an older one covers, so that a long transaction needs at most
 * one record a stream.
 *
 * Sums are exact integers, so adding and taking away the same stream cancels to the last bit.
 * The one exception is the largest density, which is looked for again once its holder has gone.
 */
#include "admit/book.h"

#include <errno.h>
#include <string.h>

#include "admit/enforce.h"

#define LOG_KEPT 64 /* records whose memory is kept after a commit */

enum undo_kind { UNDO_SET, UNDO_INSERT, UNDO_REMOVE, UNDO_SUPPLY };

struct qos_undo {
	enum undo_kind kind;
	size_t stream; /* UNDO_SET, as are grant and hold */
	struct qos_entry *entry;
	struct qos_capacity *capacity; /* UNDO_SUPPLY: owned */
	struct qos_stream_grant grant;
	struct qos_hold hold;
};

/* What one thread of the stream can take of a CPU each period, all charges included. Under
 * SCHED_FIFO `overrun: allow` has the cap's share for its budget; nobody fits beside it, so what it
 * takes beyond that until it is cut delays nobody whom this CPU was promised to. SCHED_DEADLINE
 * reclaims only what others leave. */
static uint64_t charge(const struct qos_book *book, const struct qos_entry *entry, size_t i)
{
	const struct qos_cpu_stream *wish = &entry->contract->cpu[i];
	const struct qos_stream_grant *grant = &entry->grant.streams[i];
	uint64_t reserved = grant->guaranteed_ns, budget;
	uint64_t cost = book->capacity->sample_cost_ns;
	uint64_t one =
		reserved + 2 * book->capacity->overhead_ns + qos_enforcement_ns(reserved, cost);

	/* the module cuts from a hard timer, which is dispatch cost */
	if (grant->policy == QOS_POLICY_DWCS)
		return reserved + 2 * book->capacity->overhead_ns;
	if (wish->overrun != QOS_OVERRUN_ALLOW || grant->policy != QOS_POLICY_FIFO)
		return one;
	budget = qos_budget_ns(wish, grant, cost, book->capacity->cap_ppb);
	return budget > one ? budget : one;
}

/* c + util * late, rounded up: what may be left over when an interval begins */
static uint64_t fixed_ns(const struct qos_sporadic *task, uint64_t util_ppb)
{
	unsigned __int128 left = (unsigned __int128)util_ppb * task->late;

	return task->c + (uint64_t)((left + QOS_PPB - 1) / QOS_PPB);
}

/* The module reserves what must be served; the rest of the requests goes into spare time. */
static uint64_t reserved_ppb(uint64_t util_ppb, const struct qos_stream_grant *grant,
			     const struct qos_window *window)
{
	if (grant->policy != QOS_POLICY_DWCS || !window->y)
		return util_ppb;
	return (util_ppb * (window->y - window->x) + window->y - 1) / window->y;
}

struct qos_demand qos_book_demand(const struct qos_book *book, const struct qos_entry *entry,
				  size_t i)
{
	const struct qos_cpu_stream *wish = &entry->contract->cpu[i];
	uint64_t one = charge(book, entry, i);
	uint64_t density = qos_feasible_ppb(one + book->capacity->blocking_ns, wish->deadline_ns);
	uint64_t n = wish->max_threads;
	bool deadline = entry->grant.streams[i].policy == QOS_POLICY_DEADLINE;
	uint64_t end = deadline ? wish->deadline_ns : wish->period.ns;
	struct qos_demand demand = {
		.task = {.c = n * one,
			 .d = wish->deadline_ns,
			 .t = wish->period.ns,
			 .late = one < end ? end - one : 0,
			 .others_c = (n - 1) * one},
		.one_ns = one,
		.one_util_ppb = reserved_ppb(qos_feasible_ppb(one, wish->period.ns),
					     &entry->grant.streams[i], &wish->window),
		.density_ppb = n * density,
		.one_density_ppb = density,
	};

	demand.util_ppb = n * demand.one_util_ppb;
	demand.fixed_ns = fixed_ns(&demand.task, demand.util_ppb);
	return demand;
}

struct qos_seat qos_book_seat(const struct qos_entry *entry, size_t i)
{
	const struct qos_stream_grant *grant = &entry->grant.streams[i];
	struct qos_seat seat = {.policy = grant->policy};

	if (grant->policy == QOS_POLICY_DWCS)
		seat.policy = QOS_POLICY_FIFO;
	if (seat.policy == QOS_POLICY_FIFO)
		seat.cpu = qos_cpus_next(&grant->cpus, 0);
	return seat;
}

static void move(uint64_t *sum, uint64_t amount, bool in)
{
	*sum += in ? amount : -amount;
}

static void count_deadline(struct qos_book *book, const struct qos_demand *demand, bool proven,
			   bool in)
{
	struct qos_sums *sums = &book->sums;

	move(&sums->dl_util_ppb, demand->util_ppb, in);
	move(&sums->dl_density_ppb, demand->density_ppb, in);
	move(&sums->dl_fixed_ns, demand->fixed_ns, in);
	sums->n_dl += in ? 1 : -1;
	sums->n_dl_proven += in ? proven : -proven;
	if (in && demand->one_density_ppb >= sums->dl_max_ppb) {
		sums->dl_max_ppb = demand->one_density_ppb;
		sums->dl_max_stale = false;
	} else if (!in && demand->one_density_ppb == sums->dl_max_ppb) {
		sums->dl_max_stale = true;
	}
}

static void count_fifo(struct qos_book *book, uint64_t util_ppb, unsigned int cpu, bool in)
{
	struct qos_sums *sums = &book->sums;

	move(&sums->cpu_fifo_ppb[cpu], util_ppb, in);
	sums->n_cpu_fifo[cpu] += in ? 1 : -1;
	move(&sums->fifo_ppb, util_ppb, in);
	if (qos_cpus_has(&book->general, cpu))
		move(&sums->fifo_general_ppb, util_ppb, in);
}

/* Adds a stream to the sums, or takes it out. */
static void count(struct qos_book *book, const struct qos_entry *entry, size_t i, bool in)
{
	const struct qos_stream_grant *grant = &entry->grant.streams[i];
	struct qos_demand demand;

	if (grant->policy == QOS_POLICY_NONE)
		return;
	demand = qos_book_demand(book, entry, i);
	if (grant->policy == QOS_POLICY_DEADLINE)
		count_deadline(book, &demand, grant->guarantee == QOS_PROVEN, in);
	else
		count_fifo(book, demand.util_ppb, qos_cpus_next(&grant->cpus, 0), in);
}

static void count_all(struct qos_book *book, const struct qos_entry *entry, bool in)
{
	for (size_t i = 0; i < entry->grant.n_streams; i++)
		count(book, entry, i, in);
}

uint64_t qos_book_dl_max(struct qos_book *book)
{
	struct qos_sums *sums = &book->sums;

	if (!sums->dl_max_stale)
		return sums->dl_max_ppb;
	sums->dl_max_ppb = 0;
	sums->dl_max_stale = false;
	for (size_t k = 0; k < book->n_entries; k++) {
		const struct qos_entry *entry = book->entries[k];

		for (size_t i = 0; i < entry->grant.n_streams; i++) {
			uint64_t density;

			if (entry->grant.streams[i].policy != QOS_POLICY_DEADLINE)
				continue;
			density = qos_book_demand(book, entry, i).one_density_ppb;
			if (density > sums->dl_max_ppb)
				sums->dl_max_ppb = density;
		}
	}
	return sums->dl_max_ppb;
}

/* Index of the first entry whose name is not before `name`. */
static size_t position(const struct qos_book *book, const char *name)
{
	size_t lo = 0, hi = book->n_entries;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(book->entries[mid]->contract->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct qos_entry *qos_book_find(const struct qos_book *book, const char *name)
{
	size_t k = position(book, name);

	if (k < book->n_entries && !strcmp(book->entries[k]->contract->name, name))
		return book->entries[k];
	return NULL;
}

const struct qos_entry *qos_book_find_removed(const struct qos_book *book, const char *name)
{
	for (size_t k = book->n_log; k-- > 0;) {
		const struct qos_undo *undo = &book->log[k];

		if (undo->kind == UNDO_REMOVE && !strcmp(undo->entry->contract->name, name))
			return undo->entry;
	}
	return NULL;
}

/* The array has room: put_in never fails. */
static void put_in(struct qos_book *book, struct qos_entry *entry)
{
	size_t k = position(book, entry->contract->name);

	memmove(&book->entries[k + 1], &book->entries[k],
		(book->n_entries - k) * sizeof(*book->entries));
	book->entries[k] = entry;
	book->n_entries++;
	count_all(book, entry, true);
}

static void take_out(struct qos_book *book, struct qos_entry *entry)
{
	size_t k = position(book, entry->contract->name);

	count_all(book, entry, false);
	book->n_entries--;
	memmove(&book->entries[k], &book->entries[k + 1],
		(book->n_entries - k) * sizeof(*book->entries));
}

static bool make_room(struct qos_book *book)
{
	size_t size = book->entries_size ? 2 * book->entries_size : 16;
	struct qos_entry **entries;

	if (book->n_entries < book->entries_size)
		return true;
	entries = realloc(book->entries, size * sizeof(*entries));
	if (!entries) {
		book->error = -ENOMEM;
		return false;
	}
	book->entries = entries;
	book->entries_size = size;
	return true;
}

/* A new record, or NULL with the error set. */
static struct qos_undo *log_one(struct qos_book *book, enum undo_kind kind, struct qos_entry *entry)
{
	if (book->n_log == book->log_size) {
		size_t size = book->log_size ? 2 * book->log_size : LOG_KEPT;
		struct qos_undo *log = realloc(book->log, size * sizeof(*log));

		if (!log) {
			book->error = -ENOMEM;
			return NULL;
		}
		book->log = log;
		book->log_size = size;
	}
	book->log[book->n_log] = (struct qos_undo){.kind = kind, .entry = entry};
	return &book->log[book->n_log++];
}

void qos_book_find_guarantee(struct qos_entry *entry)
{
	entry->grant.guarantee = QOS_PROVEN;
	for (size_t i = 0; i < entry->grant.n_streams; i++) {
		if (entry->grant.streams[i].guarantee < entry->grant.guarantee)
			entry->grant.guarantee = entry->grant.streams[i].guarantee;
	}
	for (size_t i = 0; i < entry->grant.n_net; i++) {
		if (entry->grant.net[i].guarantee < entry->grant.guarantee)
			entry->grant.guarantee = entry->grant.net[i].guarantee;
	}
}

static struct qos_entry *entry_new(const struct qos_contract *contract)
{
	size_t n = contract->n_cpu;
	struct qos_entry *entry;

	entry = calloc(1, sizeof(*entry) +
				  n * (sizeof(*entry->grant.streams) + sizeof(*entry->holds)) +
				  contract->n_net * sizeof(*entry->grant.net));
	if (!entry)
		return NULL;
	entry->contract = contract;
	entry->grant.streams = (struct qos_stream_grant *)(entry + 1);
	entry->grant.n_streams = n;
	entry->holds = (struct qos_hold *)(entry->grant.streams + n);
	entry->grant.net = (struct qos_net_grant *)(entry->holds + n);
	entry->grant.n_net = contract->n_net;
	for (size_t i = 0; i < n; i++) {
		const struct qos_cpu_stream *wish = &contract->cpu[i];
		struct qos_stream_grant *grant = &entry->grant.streams[i];

		grant->granted_ns = grant->wanted_ns = wish->runtime_ns;
		if (wish->manage == QOS_MANAGE_OBSERVE) {
			grant->guarantee = QOS_PROVEN;
			grant->test = "none";
		} else {
			grant->guaranteed_ns = entry->holds[i].base_ns = wish->runtime_ns;
		}
	}
	qos_book_find_guarantee(entry);
	return entry;
}

struct qos_entry *qos_book_insert(struct qos_book *book, const struct qos_contract *contract)
{
	struct qos_entry *entry;

	if (!make_room(book))
		return NULL;
	entry = entry_new(contract);
	if (!entry || !log_one(book, UNDO_INSERT, entry)) {
		free(entry);
		book->error = -ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < entry->grant.n_streams; i++)
		entry->holds[i].logged = true;
	put_in(book, entry);
	return entry;
}

void qos_book_remove(struct qos_book *book, struct qos_entry *entry)
{
	if (log_one(book, UNDO_REMOVE, entry))
		take_out(book, entry);
}

void qos_book_set(struct qos_book *book, struct qos_entry *entry, size_t i,
		  const struct qos_stream_grant *grant, const struct qos_hold *hold)
{
	struct qos_undo *undo = log_one(book, UNDO_SET, entry);

	if (!undo)
		return;
	undo->stream = i;
	undo->grant = entry->grant.streams[i];
	undo->hold = entry->holds[i];
	count(book, entry, i, false);
	entry->grant.streams[i] = *grant;
	entry->holds[i] = *hold;
	entry->holds[i].logged = true;
	count(book, entry, i, true);
	qos_book_find_guarantee(entry);
}

/* What is asked of the capacity again and again. */
static void digest(struct qos_book *book)
{
	const struct qos_capacity *capacity = book->capacity;

	book->general = qos_cpus_minus(&capacity->online, &capacity->isolated);
	book->n_general = qos_cpus_count(&book->general);
	book->foreign_general_ppb = 0;
	QOS_CPU_FOREACH(cpu, &book->general)
		book->foreign_general_ppb += capacity->foreign_ppb[cpu];
	book->foreign_fixed_ns = 0;
	for (size_t i = 0; i < capacity->n_dl_foreign; i++)
		book->foreign_fixed_ns += 2 * capacity->dl_foreign[i].c; /* util * (t - c) < c */
}

/* All sums hang on the capacity: they are taken down and built up again around the exchange. */
static void exchange(struct qos_book *book, struct qos_capacity *capacity)
{
	for (size_t k = 0; k < book->n_entries; k++)
		count_all(book, book->entries[k], false);
	book->capacity = capacity;
	digest(book);
	for (size_t k = 0; k < book->n_entries; k++)
		count_all(book, book->entries[k], true);
}

void qos_book_supply(struct qos_book *book, const struct qos_capacity *capacity)
{
	_cleanup_free_ struct qos_capacity *copy = malloc(sizeof(*copy));
	struct qos_undo *undo = copy ? log_one(book, UNDO_SUPPLY, NULL) : NULL;

	if (!undo) {
		book->error = -ENOMEM;
		return;
	}
	*copy = *capacity;
	undo->capacity = book->capacity;
	exchange(book, TAKE_PTR(copy));
}

static void undo_one(struct qos_book *book, struct qos_undo *undo)
{
	struct qos_capacity *late = book->capacity;
	struct qos_entry *entry = undo->entry;

	switch (undo->kind) {
	case UNDO_SET:
		count(book, entry, undo->stream, false);
		entry->grant.streams[undo->stream] = undo->grant;
		entry->holds[undo->stream] = undo->hold;
		count(book, entry, undo->stream, true);
		qos_book_find_guarantee(entry);
		break;
	case UNDO_INSERT:
		take_out(book, entry);
		free(entry);
		break;
	case UNDO_REMOVE:
		put_in(book, entry);
		break;
	case UNDO_SUPPLY:
		exchange(book, undo->capacity);
		free(late);
		break;
	}
}

void qos_book_rollback(struct qos_book *book, size_t mark)
{
	while (book->n_log > mark)
		undo_one(book, &book->log[--book->n_log]);
}

/* Of a stream's records the oldest alone is needed: undoing it restores all. First `logged` is put
 * back, backwards, to what it was at the mark. */
void qos_book_keep(struct qos_book *book, size_t mark)
{
	size_t n = mark;

	for (size_t k = book->n_log; k-- > mark;) {
		struct qos_undo *undo = &book->log[k];

		if (undo->kind == UNDO_SET)
			undo->entry->holds[undo->stream].logged = undo->hold.logged;
	}
	for (size_t k = mark; k < book->n_log; k++) {
		struct qos_undo *undo = &book->log[k];
		bool is_set = undo->kind == UNDO_SET;

		if (is_set && undo->entry->holds[undo->stream].logged)
			continue;
		if (is_set)
			undo->entry->holds[undo->stream].logged = true;
		book->log[n++] = *undo;
	}
	book->n_log = n;
}

/* From now on nobody may take away what each has. */
static void settle_floors(struct qos_entry *entry)
{
	for (size_t i = 0; i < entry->grant.n_streams; i++) {
		entry->holds[i].floor = entry->grant.streams[i].guarantee;
		entry->holds[i].logged = false;
	}
}

void qos_book_commit(struct qos_book *book)
{
	for (size_t k = 0; k < book->n_log; k++) {
		if (book->log[k].entry)
			settle_floors(book->log[k].entry);
	}
	for (size_t k = 0; k < book->n_log; k++) {
		struct qos_undo *undo = &book->log[k];

		if (undo->kind == UNDO_REMOVE)
			free(undo->entry);
		free(undo->capacity);
	}
	book->n_log = 0;
	if (book->log_size > LOG_KEPT) {
		free(book->log);
		book->log = NULL;
		book->log_size = 0;
	}
}

int qos_book_init(struct qos_book *book, const struct qos_capacity *capacity)
{
	memset(book, 0, sizeof(*book));
	book->capacity = malloc(sizeof(*book->capacity));
	if (!book->capacity)
		return -ENOMEM;
	*book->capacity = *capacity;
	digest(book);
	return 0;
}

void qos_book_deinit(struct qos_book *book)
{
	qos_book_rollback(book, 0);
	for (size_t k = 0; k < book->n_entries; k++)
		free(book->entries[k]);
	free(book->entries);
	free(book->log);
	free(book->capacity);
}
