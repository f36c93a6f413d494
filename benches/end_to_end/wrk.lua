-- wrk -s wrk.lua URL -- METHOD: asks by that method, and prints what came of it as JSON.

function init(arguments)
   wrk.method = arguments[1]
end

function done(summary)
   local errors = summary.errors
   print(string.format(
      '{"requests": %d, "microseconds": %d, "rejected": %d, "failed": %d}',
      summary.requests,
      summary.duration,
      errors.status, -- all above 399
      errors.connect + errors.read + errors.write + errors.timeout
   ))
end
