/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The YAML front: document, overlay, contract, check, printer. Whatever the bytes are, they are
 * refused with a reason and a hint, or they are a contract that survives print and parse unchanged.
 * A form feed, which no YAML file can hold, parts the file from an overlay.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "contract/check.h"
#include "contract/parse.h"
#include "contract/print.h"

#define SEPARATOR '\f'

/* A machine with two CPUs of which one is isolated, and one of everything that has a name. */
static struct qos_host *make_host(void)
{
	static const char dump[] =
		"{\"schema\": 1, \"online\": \"0-1\", \"isolated\": \"1\", \"hz\": 250,"
		" \"features\": {\"btf\": \"present\", \"deadline\": \"denied\"},"
		" \"interfaces\": [{\"name\": \"eth0\", \"speed_bps\": 1000000000}],"
		" \"users\": [\"root\"], \"groups\": [\"video\"]}";
	struct qos_host *host = NULL;

	must(qos_host_parse("host", dump, strlen(dump), NULL, &host) == 0);
	return host;
}

/* Every error has a place, words and a way out. */
static void check_reasons(const struct qos_diag *diag)
{
	for (size_t i = 0; i < diag->n_entries; i++) {
		const struct qos_diag_entry *entry = &diag->entries[i];

		must(entry->file[0] && entry->text[0]);
		must(entry->severity != QOS_ERROR || entry->hint);
	}
}

static struct qos_contract *parse(const struct qos_text *texts, size_t n)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;
	int r = qos_contract_parse_text(texts, n, &diag, &contract);

	must(r == 0 || r == -EINVAL || r == -ENOMEM);
	must((r == 0) == (contract != NULL));
	must((r == -EINVAL) == (diag.n_errors > 0));
	check_reasons(&diag);
	qos_diag_reset(&diag);
	return contract;
}

static void check(const struct qos_contract *contract)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_host *host = make_host();
	int r = qos_contract_check(contract, host, &diag);

	must((r == -EINVAL) == (diag.n_errors > 0));
	check_reasons(&diag);
	qos_diag_reset(&diag);
	qos_host_free(host);
}

static void round_trip(const struct qos_contract *contract)
{
	_cleanup_contract_ struct qos_contract *again = NULL;
	struct qos_buf text = {}, text_again = {};
	struct qos_text one;

	qos_contract_print(contract, &text);
	must(text.error == 0);
	one = (struct qos_text){"printed", text.text, text.len};
	again = parse(&one, 1);
	must(again);
	must(qos_contract_equal(contract, again));
	qos_contract_print(again, &text_again);
	must(text_again.error == 0 && strcmp(text.text, text_again.text) == 0);
	qos_buf_reset(&text);
	qos_buf_reset(&text_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	const char *cut = size ? memchr(bytes, SEPARATOR, size) : NULL;
	struct qos_text texts[2] = {{"fuzz", bytes, cut ? (size_t)(cut - bytes) : size}};
	struct qos_contract *contract;

	if (cut)
		texts[1] = (struct qos_text){"overlay", cut + 1, size - texts[0].len - 1};
	contract = parse(texts, cut ? 2 : 1);
	if (!contract)
		return 0;
	check(contract);
	round_trip(contract);
	qos_contract_free(contract);
	return 0;
}
