-- SPDX-License-Identifier: BSD-2-Clause
--
-- For wrk: every answer has to be the file that $BODY names, byte for byte. Prints how
-- many were, how many were not, how many never came, and how many came in a second. When
-- there are $REQUESTS, no more is asked for.

local enough = tonumber(os.getenv("REQUESTS"))
local file = assert(io.open(os.getenv("BODY"), "rb"))
local wanted = file:read("*a")
local threads = {}

right, wrong = 0, 0	-- of each thread

function setup(thread)
	table.insert(threads, thread)
end

function response(status, headers, body)
	if status == 200 and body == wanted then
		right = right + 1
	else
		wrong = wrong + 1
	end
	if right + wrong == enough then
		wrk.thread:stop()
	end
end

function done(summary)
	local errors = summary.errors
	local lost = errors.connect + errors.read + errors.write + errors.timeout
	local all_right, all_wrong = 0, 0

	for _, thread in ipairs(threads) do
		all_right = all_right + thread:get("right")
		all_wrong = all_wrong + thread:get("wrong")
	end
	print(string.format("answers: %d right, %d wrong, %d lost, %.1f a second",
			    all_right, all_wrong, lost,
			    all_right * 1000000 / summary.duration))
end
