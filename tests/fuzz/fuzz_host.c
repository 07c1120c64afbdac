/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Host dumps and the daemon's settings: the same bytes are tried as both. They are refused with a
 * reason and a hint, or accepted; an accepted dump survives print and parse unchanged.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "config.h"
#include "contract/host.h"

static void check_reasons(int r, struct qos_diag *diag)
{
	must(r == 0 || r == -EINVAL || r == -ENOMEM);
	must((r == -EINVAL) == (diag->n_errors > 0));
	for (size_t i = 0; i < diag->n_entries; i++)
		must(diag->entries[i].file[0] && diag->entries[i].text[0] && diag->entries[i].hint);
	qos_diag_reset(diag);
}

static struct qos_host *parse_host(const char *bytes, size_t len)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_host *host = NULL;

	check_reasons(qos_host_parse("fuzz", bytes, len, &diag, &host), &diag);
	return host;
}

static void try_host(const char *bytes, size_t len)
{
	_cleanup_host_ struct qos_host *host = parse_host(bytes, len), *again = NULL;
	_cleanup_free_ char *text = NULL, *text_again = NULL;

	if (!host)
		return;
	must(qos_host_print(host, &text) == 0);
	again = parse_host(text, strlen(text));
	must(again);
	must(qos_host_print(again, &text_again) == 0);
	must(strcmp(text, text_again) == 0);
}

static void try_config(const char *bytes, size_t len)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_config config;
	int r;

	check_reasons(qos_doc_parse("fuzz", bytes, len, &diag, &doc), &diag);
	if (!doc)
		return;
	r = qos_config_parse(doc, &diag, &config);
	check_reasons(r, &diag);
	if (r < 0)
		return;
	must(config.cap_ppm >= 10000 && config.cap_ppm <= 950000);
	must(config.band_first >= 1 && config.band_first < config.band_last);
	must(config.band_last <= 48);
	must(config.lease_ns >= UINT64_C(1000000000) && config.slow_loop_ns >= 500000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_host((const char *)data, size);
	try_config((const char *)data, size);
	return 0;
}
