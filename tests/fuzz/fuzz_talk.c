/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sandbox says, on the daemon's side: any bytes are refused, or they are a message that says the
 * same when it is sent again. */
#include <linux/types.h>
#include <string.h>

#include "extension/compile.h"
#include "extension/talk.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* exactly what came, so that a look behind it is caught */
	struct qos_talk *talk = malloc(size ? size : 1);
	struct qos_talk whole = {};

	must(talk);
	memcpy(talk, data, size);
	if (size <= sizeof(whole) && qos_talk_is_valid(talk, size)) {
		memcpy(&whole, talk, size);
		must(qos_talk_size(&whole) == size);
		must(whole.type != QOS_TALK_PING);
		must(whole.n <= QOS_RULES_REQUESTS_MAX || whole.type == QOS_TALK_READY);
		must(whole.n <= QOS_CONTRACT_RULES_MAX &&
		     (whole.type == QOS_TALK_PONG) == !whole.n);
		for (size_t i = 0; whole.type == QOS_TALK_ASK && i < whole.n; i++)
			must(whole.requests[i].wanted == 1);
	}
	free(talk);
	return 0;
}
