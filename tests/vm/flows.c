// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sets of packet streams on one link: what kmod/dwcs_link.h makes of them, and the same packets sent
 * into a device.
 *
 *	flows find SEED VARIANTS	a line of JSON: the first set from SEED on that the simulator keeps
 *	flows send SEED DEVICE MAJOR	sends it, once a class N for stream N is there
 *
 * Times are slots of 4 ms, which a packet of 1,000 bytes takes. With `bulk` the default class always has
 * packets, and its share. A simulation is the choice of the qdisc with a link and a clock around it. What
 * a set does can hang on who is there first, so a set counts as kept if it is in every variant: arrivals and
 * decisions come up to JITTER late, in each differently; and deadlines are shorter by that.
 *
 * Weakness: where requests come together that are not admitted in the simulation, nothing is said.
 */
#include <linux/if_packet.h>
#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../kmod/dwcs_link.h"

#define FLOWS	 6
#define SLOT	 4000000ULL
#define BYTES	 1000 /* a slot */
#define JITTER	 400000ULL
#define HORIZON	 (750 * SLOT)
#define QUEUE	 64
#define REST	 0xffff
#define SHARE	 50000
#define CREDIT_1 (1LL << 20)
#define BULK	 900

struct set {
	unsigned int n;
	int ordering;
	bool bulk;
	struct {
		__u64 period, deadline, cost, phase; /* ns */
		unsigned int slots, x, y;
		bool send;
	} s[FLOWS];
};

static __u64 state;

static __u64 rnd(__u64 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? (state >> 11) % below : 0;
}

static void seed(__u64 number)
{
	state = (number + 1) * 0x9e3779b97f4a7c15ULL;
	for (int i = 0; i < 8; i++)
		rnd(0);
}

/* Together more than the link has, what the windows need less. */
static void draw(struct set *set)
{
	double demand, needs;

	do {
		memset(set, 0, sizeof(*set));
		set->n = 2 + (unsigned int)rnd(FLOWS - 1);
		set->ordering = rnd(2) ? DWCS_FIN : (int)rnd(DWCS_ORDERINGS);
		set->bulk = rnd(2);
		demand = needs = 0;
		for (unsigned int i = 0; i < set->n; i++) {
			__u64 t = 4 + rnd(21), c = 1 + rnd(t / 4 < 3 ? t / 4 : 3);
			unsigned int y = 1 + (unsigned int)rnd(6), x = (unsigned int)rnd(y);

			set->s[i].slots = (unsigned int)c;
			set->s[i].period = t * SLOT;
			set->s[i].deadline =
				(rnd(2) || t < c + 4 ? t : c + 3 + rnd(t - c - 2)) * SLOT;
			if (rnd(4) == 0)
				set->s[i].deadline += t * SLOT;
			set->s[i].cost = c * SLOT;
			set->s[i].phase = (1 + rnd(t)) * SLOT;
			set->s[i].x = x;
			set->s[i].y = y;
			set->s[i].send = rnd(4) == 0;
			demand += (double)c / (double)t;
			needs += (double)c / (double)t * (y - x) / y;
		}
	} while (demand < 1.0 || needs > (set->bulk ? 0.6 : 0.8));
}

/* --- the simulation --- */

struct actor {
	struct dwcs_flow flow;
	__u64 arrivals[QUEUE]; /* of what waits */
	unsigned int head, n;
	__u64 next, at; /* arrival, without and with jitter */
	unsigned int windows, violations;
	unsigned int dropped;
};

struct sim {
	const struct set *set;
	struct dwcs_link link;
	struct actor actors[FLOWS];
	struct dwcs_stream *room[DWCS_HEAPS + 1][FLOWS];
	__u64 now, jitter;
	long long credit;
};

static struct actor *actor_of(struct sim *sim, const struct dwcs_flow *flow)
{
	return &sim->actors[flow->request.id - 1];
}

static void begin(struct sim *sim, const struct set *set, __u64 jitter)
{
	memset(sim, 0, sizeof(*sim));
	sim->set = set;
	sim->jitter = jitter;
	sim->link.queue.ordering = (enum dwcs_ordering)set->ordering;
	for (int heap = 0; heap < DWCS_HEAPS; heap++)
		sim->link.queue.slot[heap] = sim->room[heap];
	sim->link.clock.slot[DWCS_DUE] = sim->room[DWCS_HEAPS];
	for (unsigned int i = 0; i < set->n; i++) {
		struct actor *a = &sim->actors[i];
		struct dwcs_stream *s = &a->flow.request;

		s->period = set->s[i].period;
		s->deadline = set->s[i].deadline - (jitter ? jitter : 0);
		s->cost = set->s[i].cost;
		if (s->deadline < s->cost)
			s->deadline = s->cost;
		s->x = set->s[i].x;
		s->y = set->s[i].y;
		s->id = i + 1;
		dwcs_flow_init(&a->flow);
		a->next = set->s[i].phase;
		a->at = a->next + rnd(jitter + 1);
	}
}

static void resume(struct sim *sim, struct actor *a)
{
	if (a->n)
		dwcs_link_head(&sim->link, &a->flow, a->arrivals[a->head], sim->now);
}

static void take(struct actor *a)
{
	a->head = (a->head + 1) % QUEUE;
	a->n--;
}

static void count(struct actor *a, int window)
{
	a->windows += !!(window & DWCS_WINDOW_ENDED);
	a->violations += !!(window & DWCS_WINDOW_BROKEN);
}

/* The head is kept (and true is returned), or dropped and the next one is the head. */
static bool lose(struct sim *sim, struct dwcs_flow *flow)
{
	struct actor *a = actor_of(sim, flow);
	bool kept = sim->set->s[flow->request.id - 1].send;

	count(a, dwcs_link_lost(&sim->link, flow, kept, sim->now));
	if (!kept) {
		take(a);
		a->dropped++;
	}
	return kept;
}

static void arrive(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->set->n; i++) {
		struct actor *a = &sim->actors[i];

		while (a->at <= sim->now) {
			if (a->n < QUEUE) {
				a->arrivals[(a->head + a->n++) % QUEUE] = a->at;
				if (a->n == 1)
					dwcs_link_head(&sim->link, &a->flow, a->at, sim->now);
			}
			a->next += sim->set->s[i].period;
			a->at = a->next + rnd(sim->jitter + 1);
		}
	}
}

static __u64 send_head(struct sim *sim, struct dwcs_flow *flow)
{
	struct actor *a = actor_of(sim, flow);

	take(a);
	resume(sim, a);
	if (sim->set->bulk)
		sim->credit += (long long)(((__u64)SHARE << 20) / (1000000 - SHARE) * BYTES *
					   (flow->request.cost / SLOT));
	return flow->request.cost;
}

/* What goes out, as how long the link is busy with it; 0: nothing. */
static __u64 choose(struct sim *sim)
{
	struct dwcs_flow *flow;

	while ((flow = dwcs_link_due(&sim->link, sim->now))) {
		lose(sim, flow);
		resume(sim, actor_of(sim, flow));
	}
	dwcs_link_release(&sim->link, sim->now);
	if (sim->set->bulk && sim->credit > 0) {
		sim->credit -= BYTES * CREDIT_1;
		return SLOT;
	}
	while ((flow = dwcs_link_pick(&sim->link, sim->now))) {
		if (dwcs_is_possible(&flow->request, sim->now)) {
			count(actor_of(sim, flow), dwcs_link_served(&sim->link, flow));
			return send_head(sim, flow);
		}
		if (lose(sim, flow))
			return send_head(sim, flow);
		resume(sim, actor_of(sim, flow));
	}
	if (sim->set->bulk) {
		sim->credit = sim->credit > BYTES * CREDIT_1 ? sim->credit - BYTES * CREDIT_1
			      : sim->credit > 0		     ? 0
							     : sim->credit;
		return SLOT;
	}
	while (!(flow = dwcs_link_ahead(&sim->link)) && (flow = dwcs_link_doomed(&sim->link))) {
		if (lose(sim, flow))
			return send_head(sim, flow);
		resume(sim, actor_of(sim, flow));
	}
	if (!flow)
		return 0;
	dwcs_link_withdraw(&sim->link, flow);
	return send_head(sim, flow);
}

static __u64 next_arrival(const struct sim *sim)
{
	__u64 next = HORIZON;

	for (unsigned int i = 0; i < sim->set->n; i++)
		if (sim->actors[i].at < next)
			next = sim->actors[i].at;
	return next;
}

static void simulate(struct sim *sim)
{
	__u64 free = 0; /* the link is */

	while (free < HORIZON) {
		__u64 busy;

		if (sim->now < free)
			sim->now = free + rnd(sim->jitter + 1);
		arrive(sim);
		busy = choose(sim);
		if (busy) {
			free = (free && sim->now - free <= sim->jitter ? free : sim->now) + busy;
			continue;
		}
		sim->now = next_arrival(sim);
		free = sim->now;
		if (sim->now >= HORIZON)
			return;
	}
}

/* In all variants; `nominal` is what the first one, without jitter, comes to. */
static bool is_kept(const struct set *set, __u64 number, unsigned int variants, struct sim *nominal)
{
	for (unsigned int v = 0; v < variants; v++) {
		struct sim sim;

		seed(number * 1000 + v);
		begin(&sim, set, v ? JITTER : 0);
		simulate(&sim);
		for (unsigned int i = 0; i < set->n; i++)
			if (sim.actors[i].violations || !sim.actors[i].windows)
				return false;
		if (v == 0)
			*nominal = sim;
	}
	return true;
}

static void tell(const struct set *set, __u64 number, const struct sim *sim)
{
	printf("{\"seed\": %llu, \"ordering\": %d, \"bulk\": %s, \"rate\": %llu, \"streams\": [",
	       number, set->ordering, set->bulk ? "true" : "false", BYTES * 1000000000ULL / SLOT);
	for (unsigned int i = 0; i < set->n; i++)
		printf("%s{\"PACKET\": %u, \"PERIOD\": %llu, \"DEADLINE\": %llu, \"X\": %u, \"Y\": "
		       "%u, "
		       "\"LATE\": %d, \"windows\": %u}",
		       i ? ", " : "", set->s[i].slots * BYTES, set->s[i].period, set->s[i].deadline,
		       set->s[i].x, set->s[i].y, set->s[i].send, sim->actors[i].windows);
	printf("]}\n");
}

static void find(__u64 number, unsigned int variants)
{
	struct set set;
	struct sim sim;

	for (;; number++) {
		seed(number);
		draw(&set);
		if (is_kept(&set, number, variants, &sim))
			break;
	}
	tell(&set, number, &sim);
}

/* --- the same, really --- */

static void transmit(int fd, unsigned int priority, unsigned int bytes)
{
	static char frame[3 * BYTES] = "\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5";

	if (setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)) ||
	    send(fd, frame, bytes, 0) < 0)
		perror("send");
}

static int open_device(const char *name)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
	int room = 1 << 28, fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&to, sizeof(to)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room))) {
		perror(name);
		exit(1);
	}
	return fd;
}

static void send_set(const struct set *set, const char *name, unsigned int major)
{
	int fd = open_device(name);
	struct timespec ts;
	struct sim sim; /* for its arrivals */
	__u64 base, now;

	begin(&sim, set, 0);
	for (unsigned int i = 0; set->bulk && i < BULK; i++)
		transmit(fd, major << 16 | REST, BYTES);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	base = (__u64)ts.tv_sec * 1000000000 + (__u64)ts.tv_nsec + 2 * SLOT;
	while ((now = next_arrival(&sim)) < HORIZON) {
		ts.tv_sec = (time_t)((base + now) / 1000000000);
		ts.tv_nsec = (long)((base + now) % 1000000000);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		for (unsigned int i = 0; i < set->n; i++) {
			if (sim.actors[i].at > now)
				continue;
			transmit(fd, major << 16 | (i + 1), set->s[i].slots * BYTES);
			sim.actors[i].at += set->s[i].period;
		}
	}
	close(fd);
}

int main(int argc, char **argv)
{
	__u64 number;
	struct set set;

	if (argc < 4) {
		fprintf(stderr, "usage: flows find SEED VARIANTS | flows send SEED DEVICE MAJOR\n");
		return 1;
	}
	number = strtoull(argv[2], NULL, 0);
	if (strcmp(argv[1], "find") == 0) {
		find(number, (unsigned int)strtoul(argv[3], NULL, 0));
	} else if (argc == 5) {
		seed(number);
		draw(&set);
		send_set(&set, argv[3], (unsigned int)strtoul(argv[4], NULL, 0));
	}
	return 0;
}
