-- For wrk: asks for the paths that the file $PATHS lists, in turn, if there is one, and ends with a line of "name value" pairs.
local paths = {}
local file = os.getenv("PATHS")
if file then
  for path in io.lines(file) do paths[#paths + 1] = path end
  local asked = 0
  request = function()
    asked = asked + 1
    return wrk.format("GET", paths[asked % #paths + 1])
  end
end

done = function(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  if failed > 0 then
    io.stderr:write(failed .. " requests failed\n")
    os.exit(1)
  end
  print(string.format("seconds %.4f responses %d bytes %d p99_us %.0f", summary.duration / 1e6, summary.requests, summary.bytes, latency:percentile(99)))
end
