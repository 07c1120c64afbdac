/* SPDX-License-Identifier: GPL-2.0-only */
/* Who has which thread, by tid. A thread that nobody has is asked for at the native manager, which
 * knows the records of threads that no manager has any more. */
#include "service/route.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/table.h"

struct route {
	struct qos_service service;
	struct qos_service *native;
	struct qos_service *module; /* NULL: there is none */
	struct qos_table holders;   /* tid -> struct qos_service */
};

static struct route *route_of(struct qos_service *service)
{
	return (struct route *)service;
}

static struct qos_service *holder_of(struct qos_service *service, pid_t tid)
{
	struct qos_service *holder = qos_table_get(&route_of(service)->holders, (uint32_t)tid);

	return holder ? holder : route_of(service)->native;
}

static bool is_scheduled(const struct qos_service_stream *stream)
{
	return stream->wish->manage == QOS_MANAGE_SCHEDULE &&
	       stream->grant->policy != QOS_POLICY_NONE;
}

static int detach(struct qos_service *service, pid_t tid)
{
	struct qos_service *holder = holder_of(service, tid);
	int r = holder->ops->detach(holder, tid);

	qos_table_remove(&route_of(service)->holders, (uint32_t)tid);
	return r;
}

/* Held before it is attached: what has no place in the table would be given back by the wrong one. */
static int hand_over(struct route *route, pid_t tid, struct qos_service *to)
{
	struct qos_service *from = qos_table_get(&route->holders, (uint32_t)tid);
	int r = 0;

	if (from && from != to)
		r = from->ops->detach(from, tid);
	if (r < 0)
		return r;
	return from == to ? 0 : qos_table_set(&route->holders, (uint32_t)tid, to);
}

static int attach(struct qos_service *service, pid_t tid, const struct qos_service_stream *stream,
		  struct qos_diag *diag)
{
	struct route *route = route_of(service);
	bool wants_module = stream->grant->policy == QOS_POLICY_DWCS;
	struct qos_service *to = wants_module ? route->module : route->native;
	int r;

	if (!is_scheduled(stream))
		return detach(service, tid);
	if (!to)
		return -ENODEV; /* until it is placed anew */
	r = hand_over(route, tid, to);
	if (r == 0)
		r = to->ops->attach(to, tid, stream, diag);
	if (r != 0 && r != QOS_SERVICE_E_DRIFT)
		qos_table_remove(&route->holders, (uint32_t)tid);
	return r;
}

static void forget(struct qos_service *service, pid_t tid)
{
	struct qos_service *holder = holder_of(service, tid);

	holder->ops->forget(holder, tid);
	qos_table_remove(&route_of(service)->holders, (uint32_t)tid);
}

static void inherit(struct qos_service *service, pid_t parent, pid_t child)
{
	struct qos_service *holder = holder_of(service, parent);

	holder->ops->inherit(holder, parent, child);
}

/* The thread that called exec() has the leader's tid from now on, and the leader is no more. */
static void exec(struct qos_service *service, pid_t old_tid, pid_t new_tid)
{
	struct qos_service *caller = holder_of(service, old_tid);
	struct qos_service *leader = holder_of(service, new_tid);

	if (leader != caller)
		leader->ops->forget(leader, new_tid);
	caller->ops->exec(caller, old_tid, new_tid);
	qos_table_remove(&route_of(service)->holders, (uint32_t)old_tid);
	qos_table_remove(&route_of(service)->holders, (uint32_t)new_tid);
}

static void event(struct qos_service *service, const struct qos_event *event)
{
	struct qos_service *native = route_of(service)->native;

	native->ops->event(native, event);
}

static uint64_t next_expiry(struct qos_service *service)
{
	struct qos_service *native = route_of(service)->native;

	return native->ops->next_expiry(native);
}

static void expire(struct qos_service *service, uint64_t now_ns)
{
	struct qos_service *native = route_of(service)->native;

	native->ops->expire(native, now_ns);
}

static int verify(struct qos_service *service, pid_t tid)
{
	struct qos_service *holder = holder_of(service, tid);

	return holder->ops->verify(holder, tid);
}

static void counts(struct qos_service *service, struct qos_service_counts *ret)
{
	struct qos_service *native = route_of(service)->native;

	native->ops->counts(native, ret);
}

static bool is_demoted(struct qos_service *service, pid_t tid)
{
	struct qos_service *holder = holder_of(service, tid);

	return holder->ops->is_demoted && holder->ops->is_demoted(holder, tid);
}

static int set(struct qos_service *service, const struct qos_service_contract *contract,
	       struct qos_diag *diag)
{
	struct qos_service *module = route_of(service)->module;

	return module ? module->ops->set(module, contract, diag) : 0;
}

static void unset(struct qos_service *service, const char *contract)
{
	struct qos_service *module = route_of(service)->module;

	if (module)
		module->ops->unset(module, contract);
}

static void read_stats(struct qos_service *service, uint32_t stream, struct qos_stream_stats *ret)
{
	struct qos_service *module = route_of(service)->module;

	if (module)
		module->ops->read(module, stream, ret);
}

static void route_free(struct qos_service *service)
{
	struct route *route = route_of(service);

	route->native->ops->free(route->native);
	qos_table_reset(&route->holders);
	free(route);
}

int qos_route_new(struct qos_service *native, struct qos_service **ret)
{
	static const struct qos_service_ops ops = {
		.name = "native",
		.set = set,
		.unset = unset,
		.attach = attach,
		.detach = detach,
		.forget = forget,
		.inherit = inherit,
		.exec = exec,
		.event = event,
		.next_expiry = next_expiry,
		.expire = expire,
		.verify = verify,
		.counts = counts,
		.is_demoted = is_demoted,
		.read = read_stats,
		.free = route_free,
	};
	struct route *route = calloc(1, sizeof(*route));

	if (!route) {
		native->ops->free(native);
		return -ENOMEM;
	}
	route->service.ops = &ops;
	route->native = native;
	*ret = &route->service;
	return 0;
}

void qos_route_set_module(struct qos_service *service, struct qos_service *module)
{
	struct route *route = route_of(service);

	if (!module)
		qos_table_remove_all(&route->holders, route->module);
	route->module = module;
}
