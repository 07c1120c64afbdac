/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's own settings. One table a section says each key's reader, place and bounds; the file
 * is read to its end, so that one run shows every mistake, and takes effect whole or not at all.
 * Weakness: bounds are each key's own; nothing here asks whether overhead, blocking and cap make
 * sense together on this machine.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "contract/parse_field.h"
#include "util/text.h"
#include "util/units.h"

#define VERSION	 1
#define BAND_MAX 48 /* the daemon runs one above the band, and IRQ threads at 50 */
#define KEYS_MAX 8

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

struct reader {
	struct qos_diag *diag;
	struct qos_config *config;
	void *base; /* what offsets are of: the config, or one of its interfaces */
	bool refused;
};

/* One key. `read` takes the value; lo and hi are in the unit of the field. */
struct setting {
	const char *key;
	void (*read)(struct reader *in, const struct setting *setting, const struct qos_node *node);
	size_t offset;
	uint64_t lo;
	uint64_t hi;
	const char *hint;	    /* what may stand there */
	const struct setting *keys; /* of a map */
	size_t n_keys;
};

const char *const qos_manager_names[] = {"auto", "native", "module", NULL};

void qos_config_default(struct qos_config *ret)
{
	*ret = (struct qos_config){
		.cap_ppm = 900000,
		.band_first = 10,
		.band_last = 40,
		.overhead_ns = 20 * US,
		.blocking_ns = 50 * US,
		.monitor = true,
		.cpu_manager = QOS_MANAGER_AUTO,
		.network_manager = QOS_MANAGER_AUTO,
		.link_share_ppm = 100000,
		.link_blocking_ns = 100 * US,
		.lease_ns = 30 * S,
		.slow_loop_ns = 1 * S,
	};
}

static void refuse(struct reader *in, const struct setting *setting, const struct qos_node *node,
		   const char *what)
{
	in->refused = true;
	qos_diag_error(in->diag, &node->loc, "%s: %s", setting->key, what);
	qos_diag_hint(in->diag, "%s", setting->hint);
}

/* The text of a scalar; NULL after a diagnostic. */
static const char *text_of(struct reader *in, const struct setting *setting,
			   const struct qos_node *node)
{
	if (node->kind == QOS_NODE_SCALAR)
		return node->text;
	refuse(in, setting, node, "a single value is expected here");
	return NULL;
}

static void *field_of(struct reader *in, const struct setting *setting)
{
	return (char *)in->base + setting->offset;
}

/* A parsed number, judged by its bounds: `r` is what the parser said. */
static bool in_bounds(struct reader *in, const struct setting *setting, const struct qos_node *node,
		      int r, uint64_t value)
{
	if (r == -EINVAL)
		refuse(in, setting, node, "not a value of this form");
	else if (r < 0 || value < setting->lo || value > setting->hi)
		refuse(in, setting, node, "out of bounds");
	else
		return true;
	return false;
}

/* The number of a scalar, judged by the setting's bounds; false after a diagnostic. */
static bool read_number(struct reader *in, const struct setting *setting,
			const struct qos_node *node, int (*parse)(const char *text, uint64_t *ret),
			uint64_t *ret)
{
	const char *text = text_of(in, setting, node);
	int r;

	if (!text)
		return false;
	r = parse(text, ret);
	return in_bounds(in, setting, node, r, *ret);
}

static int parse_version(const char *text, uint64_t *ret)
{
	return qos_parse_count(text, UINT32_MAX, ret);
}

static int parse_percent(const char *text, uint64_t *ret)
{
	uint32_t ppm = 0;
	int r = qos_parse_percent(text, &ppm);

	*ret = ppm;
	return r;
}

static void read_version(struct reader *in, const struct setting *setting,
			 const struct qos_node *node)
{
	uint64_t value = 0;

	read_number(in, setting, node, parse_version, &value);
}

static void read_duration(struct reader *in, const struct setting *setting,
			  const struct qos_node *node)
{
	uint64_t value = 0;

	if (read_number(in, setting, node, qos_parse_duration, &value))
		*(uint64_t *)field_of(in, setting) = value;
}

static void read_percent(struct reader *in, const struct setting *setting,
			 const struct qos_node *node)
{
	uint64_t value = 0;

	if (read_number(in, setting, node, parse_percent, &value))
		*(uint32_t *)field_of(in, setting) = (uint32_t)value;
}

static void read_band(struct reader *in, const struct setting *setting, const struct qos_node *node)
{
	const char *text = text_of(in, setting, node);
	uint32_t first = 0, last = 0;
	int r;

	if (!text)
		return;
	r = qos_parse_span(text, BAND_MAX, &first, &last);
	if (!in_bounds(in, setting, node, r, first))
		return;
	if (first == last) {
		refuse(in, setting, node, "one priority is no band");
		return;
	}
	in->config->band_first = first;
	in->config->band_last = last;
}

static void read_manager(struct reader *in, const struct setting *setting,
			 const struct qos_node *node)
{
	const char *text = text_of(in, setting, node);

	for (int i = 0; text && qos_manager_names[i]; i++) {
		if (strcmp(qos_manager_names[i], text) == 0) {
			*(enum qos_manager *)field_of(in, setting) = (enum qos_manager)i;
			return;
		}
	}
	if (text)
		refuse(in, setting, node, "no such manager");
}

static void read_rate(struct reader *in, const struct setting *setting, const struct qos_node *node)
{
	uint64_t value = 0;

	if (read_number(in, setting, node, qos_parse_rate, &value))
		*(uint64_t *)field_of(in, setting) = value;
}

static void read_yes(struct reader *in, const struct setting *setting, const struct qos_node *node)
{
	const char *text = text_of(in, setting, node);

	if (!text)
		return;
	*(bool *)field_of(in, setting) = !strcmp(text, "yes");
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		refuse(in, setting, node, "neither yes nor no");
}

static void read_monitor(struct reader *in, const struct setting *setting,
			 const struct qos_node *node)
{
	const char *text = text_of(in, setting, node);

	if (!text)
		return;
	in->config->monitor = !strcmp(text, "bpf");
	if (!in->config->monitor && strcmp(text, "none") != 0)
		refuse(in, setting, node, "no such monitor");
}

/* node_exporter reads only files of that name. */
static void read_textfile(struct reader *in, const struct setting *setting,
			  const struct qos_node *node)
{
	const char *text = text_of(in, setting, node);
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return;
	if (*text != '/' || len <= 6 || strcmp(text + len - 5, ".prom") != 0)
		refuse(in, setting, node, "not a file of this form");
	else if (len >= QOS_CONFIG_PATH_MAX)
		refuse(in, setting, node, "too long");
	else
		memcpy(in->config->textfile, text, len + 1);
}

static void read_section(struct reader *in, const struct setting *settings, size_t n,
			 const struct qos_node *map);
static void read_interfaces(struct reader *in, const struct setting *setting,
			    const struct qos_node *node);

static void read_map(struct reader *in, const struct setting *setting, const struct qos_node *node)
{
	if (node->kind != QOS_NODE_MAP)
		refuse(in, setting, node, "a map is expected here");
	else
		read_section(in, setting->keys, setting->n_keys, node);
}

#define KEYS(table)  .keys = (table), .n_keys = QOS_ARRAY_SIZE(table)
#define LINK(member) offsetof(struct qos_config_link, member)
#define AT(member)   offsetof(struct qos_config, member)

static const struct setting cpu_settings[] = {
	{"cap", read_percent, AT(cap_ppm), 10000, 950000, "a percentage from 1% to 95%"},
	{"band", read_band, 0, 1, BAND_MAX,
	 "two priorities from 1 to 48, the lower first, such as `10-40`"},
	{"overhead", read_duration, AT(overhead_ns), 0, 10 * MS, "a duration up to 10ms"},
	{"blocking", read_duration, AT(blocking_ns), 0, 10 * MS, "a duration up to 10ms"},
};

static const struct setting manager_settings[] = {
	{"cpu", read_manager, AT(cpu_manager), .hint = "auto, module or native"},
	{"network", read_manager, AT(network_manager), .hint = "auto, module or native"},
};

static const struct setting network_settings[] = {
	{"share", read_percent, AT(link_share_ppm), 10000, 900000, "a percentage from 1% to 90%"},
	{"blocking", read_duration, AT(link_blocking_ns), 0, 100 * MS, "a duration up to 100ms"},
	{"interfaces", read_interfaces,
	 .hint = "a map of names, such as `{wlan0: {capacity: 20mbit}}`"},
};

static const struct setting metrics_settings[] = {
	{"textfile", read_textfile, .hint = "an absolute path that ends with .prom"},
};

static const struct setting root_settings[] = {
	{"version", read_version, 0, VERSION, VERSION, "the only version so far is 1"},
	{"cpu", read_map, KEYS(cpu_settings), .hint = "a map of cap, band, overhead, blocking"},
	{"managers", read_map, KEYS(manager_settings),
	 .hint = "a map such as `{cpu: auto, network: auto}`"},
	{"network", read_map, KEYS(network_settings),
	 .hint = "a map of share, blocking, interfaces"},
	{"monitor", read_monitor, .hint = "bpf or none"},
	{"metrics", read_map, KEYS(metrics_settings),
	 .hint = "a map such as `{textfile: /DIR/qosd.prom}`"},
	{"lease", read_duration, AT(lease_ns), 1 * S, 3600 * S, "a duration from 1s to 1h"},
	{"slow-loop", read_duration, AT(slow_loop_ns), 500 * MS, 60 * S,
	 "a duration from 500ms to 60s"},
};

static const struct setting link_settings[] = {
	{"capacity", read_rate, LINK(capacity_bps), 1000, QOS_RATE_MAX_BPS,
	 "a rate from 1kbit, such as 100mbit"},
	{"takeover", read_yes, LINK(takeover), .hint = "yes or no"},
};

static void read_link(struct reader *in, const struct setting *setting, const struct qos_node *node)
{
	struct qos_config_link *link = &in->config->links[in->config->n_links];

	if (node->kind != QOS_NODE_MAP) {
		refuse(in, setting, node, "each interface is a map of capacity, takeover");
	} else if (in->config->n_links == QOS_CONFIG_LINKS_MAX) {
		refuse(in, setting, node, "too many of them");
	} else if (!*node->key || strlen(node->key) >= sizeof(link->name)) {
		refuse(in, setting, node, "a name has 1 to 15 letters");
	} else {
		in->config->n_links++;
		memcpy(link->name, node->key, strlen(node->key) + 1);
		in->base = link;
		read_section(in, link_settings, QOS_ARRAY_SIZE(link_settings), node);
		in->base = in->config;
	}
}

static void read_interfaces(struct reader *in, const struct setting *setting,
			    const struct qos_node *node)
{
	if (node->kind != QOS_NODE_MAP) {
		refuse(in, setting, node, "a map is expected here");
		return;
	}
	for (size_t i = 0; i < node->n_children && !in->refused; i++)
		read_link(in, setting, node->children[i]);
}

const struct qos_config_link *qos_config_link(const struct qos_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_links; i++) {
		if (!strcmp(config->links[i].name, name))
			return &config->links[i];
	}
	return NULL;
}

static void unknown_key(struct reader *in, const struct setting *settings, size_t n,
			const struct qos_node *node)
{
	const char *known[KEYS_MAX + 1] = {};
	const char *nearest;

	for (size_t i = 0; i < n; i++)
		known[i] = settings[i].key;
	nearest = qos_text_nearest(node->key, known);
	in->refused = true;
	qos_diag_error(in->diag, &node->key_loc, "unknown key `%s`", node->key);
	if (nearest)
		qos_diag_hint(in->diag, "did you mean `%s`?", nearest);
	else
		qos_diag_hint(in->diag, "qosd.yaml(5) lists the keys");
}

static void read_section(struct reader *in, const struct setting *settings, size_t n,
			 const struct qos_node *map)
{
	for (size_t i = 0; i < map->n_children; i++) {
		const struct qos_node *node = map->children[i];
		size_t k = 0;

		while (k < n && strcmp(settings[k].key, node->key) != 0)
			k++;
		if (k < n)
			settings[k].read(in, &settings[k], node);
		else
			unknown_key(in, settings, n, node);
	}
}

int qos_config_parse(const struct qos_doc *doc, struct qos_diag *diag, struct qos_config *ret)
{
	struct qos_config config;
	struct reader in = {.diag = diag, .config = &config, .base = &config};

	_Static_assert(QOS_ARRAY_SIZE(root_settings) <= KEYS_MAX, "unknown_key() lists them");
	_Static_assert(QOS_ARRAY_SIZE(cpu_settings) <= KEYS_MAX, "unknown_key() lists them");
	qos_config_default(&config);
	read_section(&in, root_settings, QOS_ARRAY_SIZE(root_settings), doc->root);
	if (in.refused)
		return -EINVAL;
	*ret = config;
	return 0;
}
