-- Argo CD's health of an InferenceService of elasticinference.dev. docs/gitops.md says where it goes.
-- The rules are kstatus': nothing is known of a spec that the operator has not looked at yet.
local function condition(kind)
  if obj.status ~= nil and obj.status.conditions ~= nil then
    for _, each in ipairs(obj.status.conditions) do
      if each.type == kind then
        return each
      end
    end
  end
  return {status = "Unknown", message = ""}
end

local function health(status, message)
  return {status = status, message = message}
end

local seen = obj.status ~= nil and obj.status.observedGeneration or nil
if seen == nil or seen ~= obj.metadata.generation then
  return health("Progressing", "the operator has not looked at this spec yet")
end
local stalled = condition("Stalled")
if stalled.status == "True" then
  return health("Degraded", stalled.message)
end
local reconciling = condition("Reconciling")
if reconciling.status == "True" then
  return health("Progressing", reconciling.message)
end
local ready = condition("Ready")
if ready.status == "True" then
  return health("Healthy", ready.message)
end
return health("Progressing", ready.message)
