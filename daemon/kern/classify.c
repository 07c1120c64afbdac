/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows are exchanged under traffic: new ones go in first, then the order of shapes, then old ones go
 * out, so a packet of a flow that stays is never without its class.
 *
 * The filter is told by its preference and its name, so that it is found after a kill.
 */
#include "kern/classify.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <mntent.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/stat.h>

#include "classify.skel.h"
#include "kern/map.h"
#include "kern/probe.h"

#define PREFERENCE 1 /* before all others */
#define HANDLE	   0x5105
#define NAME	   "qos_classify"
#define EGRESS	   TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
#define INGRESS	   TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

struct qos_classify {
	struct classify_bpf *skeleton;
	struct qos_classify_flow *flows; /* in force */
	size_t n;
};

void qos_classify_free(struct qos_classify *classify)
{
	if (!classify)
		return;
	classify_bpf__destroy(classify->skeleton);
	free(classify->flows);
	free(classify);
}

int qos_classify_new(struct qos_diag *diag, struct qos_classify **ret)
{
	_cleanup_classify_ struct qos_classify *classify = calloc(1, sizeof(*classify));
	const struct qos_errno_advice *advice;
	int r;

	if (!classify)
		return -ENOMEM;
	classify->skeleton = classify_bpf__open();
	if (!classify->skeleton)
		return -errno;
	classify->skeleton->rodata->major = QOS_TC_MAJOR;
	r = classify_bpf__load(classify->skeleton);
	if (r < 0) {
		advice = qos_errno_advice("bpf(PROG_LOAD)", -r);
		qos_diag_warning(diag, NULL, "packets cannot be classified: %s", advice->cause);
		qos_diag_hint(diag, "%s", advice->remedy);
		return r;
	}
	*ret = TAKE_PTR(classify);
	return 0;
}

int qos_classify_fd(const struct qos_classify *classify)
{
	return bpf_program__fd(classify->skeleton->progs.classify);
}

/* --- flows --- */

static bool same_shape(const struct qos_flow_shape *a, const struct qos_flow_shape *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static uint32_t narrowness(const struct qos_flow_shape *shape)
{
	return (uint32_t)__builtin_popcount(shape->fields) * 1024 + shape->prefix * 4 +
	       shape->cgroup_level;
}

/* Which index each shape has: its own if it is in use, else one that nobody uses, then or now. */
struct assignment {
	struct qos_flow_shape shapes[QOS_SHAPES_MAX];
	bool used[QOS_SHAPES_MAX]; /* before or afterwards */
	bool wanted[QOS_SHAPES_MAX];
};

static int index_of(struct assignment *assignment, const struct qos_flow_shape *shape)
{
	int vacant = -E2BIG;

	for (int i = 0; i < QOS_SHAPES_MAX; i++) {
		if (assignment->used[i] && same_shape(&assignment->shapes[i], shape))
			return i;
		if (!assignment->used[i] && vacant < 0)
			vacant = i;
	}
	if (vacant >= 0) {
		assignment->used[vacant] = true;
		assignment->shapes[vacant] = *shape;
	}
	return vacant;
}

static int assign(const struct classify_bpf *skeleton, struct qos_classify_flow *flows, size_t n,
		  struct assignment *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < skeleton->bss->n_shapes; i++) {
		uint8_t index = skeleton->bss->order[i];

		ret->used[index] = true;
		ret->shapes[index] = skeleton->bss->shapes[index];
	}
	for (size_t i = 0; i < n; i++) {
		int index = index_of(ret, &flows[i].shape);

		if (index < 0)
			return index;
		ret->wanted[index] = true;
		flows[i].key.shape = (uint8_t)index;
	}
	return 0;
}

static void publish(struct classify_bpf *skeleton, const struct assignment *assignment)
{
	uint8_t order[QOS_SHAPES_MAX];
	uint32_t n = 0;

	for (uint8_t i = 0; i < QOS_SHAPES_MAX; i++) {
		uint32_t k = n;

		if (!assignment->wanted[i])
			continue;
		skeleton->bss->shapes[i] = assignment->shapes[i];
		while (k > 0 && narrowness(&assignment->shapes[order[k - 1]]) <
					narrowness(&assignment->shapes[i])) {
			order[k] = order[k - 1];
			k--;
		}
		order[k] = i;
		n++;
	}
	memcpy(skeleton->bss->order, order, n);
	__atomic_store_n(&skeleton->bss->n_shapes, n, __ATOMIC_RELEASE);
}

static int by_key(const void *a, const void *b)
{
	const struct qos_classify_flow *x = a, *y = b;

	return memcmp(&x->key, &y->key, sizeof(x->key));
}

int qos_classify_set(struct qos_classify *classify, const struct qos_classify_flow *flows, size_t n)
{
	_cleanup_free_ struct qos_classify_flow *own = calloc(n + 1, sizeof(*own));
	int map = bpf_map__fd(classify->skeleton->maps.flows), r;
	struct assignment assignment;

	if (!own)
		return -ENOMEM;
	if (n > QOS_FLOWS_MAX)
		return -E2BIG;
	if (n)
		memcpy(own, flows, n * sizeof(*own));
	r = assign(classify->skeleton, own, n, &assignment);
	qsort(own, n, sizeof(*own), by_key);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = qos_map_set(map, &own[i].key, &own[i].class, BPF_ANY);
	if (r < 0)
		return r;
	publish(classify->skeleton, &assignment);
	for (size_t i = 0; i < classify->n; i++) {
		if (!bsearch(&classify->flows[i], own, n, sizeof(*own), by_key))
			bpf_map_delete_elem(map, &classify->flows[i].key);
	}
	free(classify->flows);
	classify->flows = TAKE_PTR(own);
	classify->n = n;
	return 0;
}

/* --- where the program hangs --- */

static int make_clsact(struct qos_tc *tc, int ifindex, struct qos_diag *diag)
{
	int r = qos_tc_send(tc,
			    qos_tc_message(RTM_NEWQDISC, ifindex, TC_H_MAKE(TC_H_CLSACT, 0),
					   TC_H_CLSACT, "clsact"),
			    NLM_F_CREATE | NLM_F_EXCL, NULL);

	if (r < 0 && r != -EEXIST)
		qos_diag_warning(diag, NULL, "clsact cannot be made: %s", strerror(-r));
	return r == -EEXIST ? 0 : r;
}

static struct nl_msg *filter_message(int type, int ifindex, const char *kind)
{
	struct nl_msg *message = qos_tc_message(type, ifindex, HANDLE, EGRESS, kind);
	struct tcmsg *head = message ? nlmsg_data(nlmsg_hdr(message)) : NULL;

	if (head)
		head->tcm_info = TC_H_MAKE(PREFERENCE << 16, htons(ETH_P_ALL));
	return message;
}

int qos_classify_attach(struct qos_classify *classify, struct qos_tc *tc, int ifindex,
			struct qos_diag *diag)
{
	struct nl_msg *message;
	struct nlattr *options;
	int r = make_clsact(tc, ifindex, diag);

	if (r < 0)
		return r;
	message = filter_message(RTM_NEWTFILTER, ifindex, "bpf");
	options = qos_tc_options_begin(message, 0);
	r = options ? nla_put_u32(message, TCA_BPF_FD, (uint32_t)qos_classify_fd(classify))
		    : -ENOMEM;
	if (r == 0)
		r = nla_put_string(message, TCA_BPF_NAME, NAME);
	if (r == 0)
		r = nla_put_u32(message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	return qos_tc_send(tc, qos_tc_options_end(message, options, r), NLM_F_CREATE, diag);
}

/* Our filter, and whether there is any other. */
struct filters {
	bool ours;
	bool others;
};

static int take_filter(void *data, const struct qos_tc_filter *filter)
{
	struct filters *filters = data;

	if (filter->preference == PREFERENCE && filter->handle == HANDLE &&
	    filter->parent == EGRESS && !strcmp(filter->name, NAME))
		filters->ours = true;
	else
		filters->others |= filter->handle != 0; /* chains have a head without handle */
	return 0;
}

static int look(struct qos_tc *tc, int ifindex, struct filters *ret)
{
	int r;

	*ret = (struct filters){};
	r = qos_tc_each_filter(tc, ifindex, EGRESS, take_filter, ret);
	return r < 0 ? r : qos_tc_each_filter(tc, ifindex, INGRESS, take_filter, ret);
}

bool qos_classify_is_attached(struct qos_tc *tc, int ifindex)
{
	struct filters filters;

	return look(tc, ifindex, &filters) == 0 && filters.ours;
}

int qos_classify_detach(struct qos_tc *tc, int ifindex, bool clsact)
{
	struct filters filters;
	int r = look(tc, ifindex, &filters);

	if (r < 0)
		return r == -ENODEV || r == -EINVAL ? 0 : r;
	if (filters.ours) {
		r = qos_tc_send(tc, filter_message(RTM_DELTFILTER, ifindex, "bpf"), 0, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	if (!clsact || filters.others)
		return 0;
	r = qos_tc_qdisc_del(tc, ifindex, TC_H_MAKE(TC_H_CLSACT, 0), TC_H_CLSACT, NULL);
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

/* --- cgroups --- */

/* Where the unified hierarchy is mounted; false: nowhere. */
static bool find_mount(char *buf, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;
	bool found = false;

	while (mounts && !found && (entry = getmntent(mounts))) {
		found = !strcmp(entry->mnt_type, "cgroup2") && strlen(entry->mnt_dir) < size;
		if (found)
			snprintf(buf, size, "%s", entry->mnt_dir);
	}
	if (mounts)
		endmntent(mounts);
	return found;
}

bool qos_classify_cgroup(const char *path, uint64_t *ret_id, uint32_t *ret_level)
{
	char mount[256], whole[4096];
	uint32_t level = 0;
	struct stat info;

	for (const char *at = path; *at; at++)
		level += *at == '/' && at[1] && at[1] != '/';
	if (!level || !find_mount(mount, sizeof(mount)) ||
	    snprintf(whole, sizeof(whole), "%s%s", mount, path) >= (int)sizeof(whole) ||
	    stat(whole, &info) < 0 || !S_ISDIR(info.st_mode))
		return false;
	*ret_id = info.st_ino;
	*ret_level = level;
	return true;
}
