-- Whose turn it is to ask the pool. Times are microseconds by this server's clock; clients send and are told spans.
--
-- KEYS  the state (a hash), the line (a sorted set: ticket -> when it was first wanted), the answer to the question
-- ARGV  verb, ticket, lease, grace, what is left of the rest that the client knows of, what began it, and then
--   look, ask, anew   how long the ticket has waited, how old an answer may be
--                     look: what is kept; ask: what is kept, or a turn; anew: a turn
--   done              fence ("" where there was no turn), how long ago the request left (-1: it did not), spacing
--                     after a slowing down (0: none), question, answer ("": none), seconds to keep it
-- Returns  what ("kept", "turn" or "wait"), the span (the answer's age, or how long to wait until asking again), rest
--   left, why, slowed spacing, how many stand before the ticket, how many share, fence, now, answer
--
-- state.holder is the ticket whose turn it is. It is called first, and stays in the line until it asks when due; from
-- then on the turn is held, for the lease. Either way, it is passed over at state.ends.

local state_key, line, kept = KEYS[1], KEYS[2], KEYS[3]
local verb, ticket, lease, grace = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local rest, why = tonumber(ARGV[5]), ARGV[6]

local RECOVERY = 60e6 -- without a slowing down, after which a slowed spacing is halved
local NEGLIGIBLE = 1e4
local WORTH_TELLING = 5e5 -- what is added to a rest; less is what messages take on their way
local LONGER_THAN_ANY_REST = 8 * 86400
local LONGER_THAN_ANY_WAIT = 3600

local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

local state = {
  run = '', holder = '', held = 0, ends = 0, fence = 0, left = 0, rest = 0, why = '', slowed = 0, slowed_at = 0,
}
local stored, is_whole = redis.call('HGETALL', state_key), true
for i = 1, #stored, 2 do
  local name, value = stored[i], stored[i + 1]
  if type(state[name]) == 'string' then
    state[name] = value
  elseif state[name] then
    local number = tonumber(value)
    if number and number >= 0 and number <= now + LONGER_THAN_ANY_REST * 1e6 then
      state[name] = number
    else
      is_whole = false
    end
  end
end

local function text(number)
  return string.format('%.0f', number)
end

local function free()
  state.holder, state.held = '', 0
end

-- A server that began anew, took over from another, or whose clock was set back, or in whose state somebody has
-- written rubbish, does not know who is in the air: a holder that nobody has seen, and that stays for as long as the
-- longest lease of those who ask meanwhile.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or 'unknown'
if state.run ~= run or state.left > now or not is_whole then
  state.rest = state.rest - math.max(0, state.left - now)
  state.slowed_at = math.min(state.slowed_at, now)
  state.run, state.holder, state.held, state.left, state.ends = run, 'unknown', 1, now, now + lease
elseif state.holder == 'unknown' then
  state.ends = math.max(state.ends, state.left + lease)
end

if state.holder ~= '' and now >= state.ends then
  if state.held == 1 then
    state.left = math.max(state.left, state.ends) -- its request may have left as late as that
  else
    redis.call('ZREM', line, state.holder)
  end
  free()
end

-- Each tells what it has heard: the server may have lost it, or have been away when the pool said it.
if rest > 0 and now + rest > state.rest then
  if now + rest > state.rest + WORTH_TELLING then
    redis.call('PUBLISH', state_key, 'rest')
  end
  state.rest, state.why = now + rest, why
end

local slowed = state.slowed * 0.5 ^ math.floor((now - state.slowed_at) / RECOVERY)
slowed = slowed > NEGLIGIBLE and slowed or 0

local function due(who)
  local interval = tonumber(string.match(who, '[^:]+$')) or 0
  return math.max(state.left + math.max(interval, slowed), state.rest)
end

-- Call the first in the line, and pass over those whom no message reaches: they are dead.
local function call_next()
  while state.held == 0 do
    local first = redis.call('ZRANGE', line, 0, 0)[1]
    if not first then
      free()
      return
    elseif first == state.holder and first ~= '' then
      return
    end
    state.holder = first
    local at = math.max(now, due(first))
    state.ends = at + grace
    local client, number = string.match(first .. '::', '^([^:]*):([^:]*)')
    if first == ticket or redis.call('PUBLISH', state_key .. ':' .. client, number .. ' ' .. text(at - now)) > 0 then
      return
    end
    redis.call('ZREM', line, first)
  end
end

local what, span, before, answer = 'wait', 0, 0, ''

if verb == 'done' then
  local fence, ago, spacing = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
  local question, body, keep_for = ARGV[10], ARGV[11], ARGV[12]
  redis.call('ZREM', line, ticket)
  if ago >= 0 then
    state.left = math.max(state.left, now - ago)
  end
  if spacing > 0 then
    slowed = math.max(slowed, spacing)
    state.slowed, state.slowed_at, state.left = slowed, now, now
  end
  if body ~= '' then
    redis.call('SET', kept, body, 'EX', keep_for)
    redis.call('PUBLISH', state_key, question)
  end
  if state.holder == ticket and (state.held == 0 or text(state.fence) == fence) then
    free()
  end
  ticket = nil -- should it have to be called again, it is told as any other
  call_next()
else
  local waited, max_age = tonumber(ARGV[7]), tonumber(ARGV[8])
  local found = verb ~= 'anew' and redis.pcall('GET', kept) -- what is no string is no answer
  local asked = type(found) == 'string' and tonumber(string.sub(found, 1, 16))
  if asked and asked <= now and now - asked <= math.max(max_age, waited) then
    what, span, answer = 'kept', now - asked, found
    redis.call('ZREM', line, ticket)
    if state.holder == ticket then
      free()
    end
    call_next()
  elseif verb ~= 'look' then
    if state.holder ~= ticket or state.held == 0 then
      redis.call('ZADD', line, 'NX', text(now - waited), ticket)
    end
    call_next()
    if state.holder ~= ticket then
      span = state.ends - now
      before = redis.call('ZRANK', line, ticket) + state.held
    elseif now < due(ticket) then
      span = due(ticket) - now
      state.ends = now + span + grace
    else
      what = 'turn'
      redis.call('ZREM', line, ticket)
      state.held, state.ends, state.fence = 1, now + lease, math.max(state.fence + 1, now)
    end
  end
end

local fields = {}
for name, value in pairs(state) do
  fields[#fields + 1] = name
  fields[#fields + 1] = type(value) == 'number' and text(value) or value
end
redis.call('HSET', state_key, unpack(fields))
redis.call('EXPIRE', state_key, LONGER_THAN_ANY_REST)
redis.call('EXPIRE', line, LONGER_THAN_ANY_WAIT)

return {
  what, text(span), text(math.max(0, state.rest - now)), state.why, text(slowed), text(before),
  text(redis.call('PUBSUB', 'NUMSUB', state_key)[2]), text(state.fence), text(now), answer,
}
