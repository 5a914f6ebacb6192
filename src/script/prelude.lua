-- What scripts find in their globals. It runs once per state, before anything of a user's. `own` holds what the host provides.
--
-- A read-only table is an empty one in front of the real one: every write meets `__newindex`. The functions that go around metamethods
-- (rawset, next, table.insert and so on) look into `own.protected`, which says what a read-only table stands for.

local own = ...
local protected = own.protected
local error, type, tostring, setmetatable, getmetatable, ipairs, loadstring = error, type, tostring, setmetatable, getmetatable, ipairs, loadstring
local concat, collect = table.concat, collectgarbage

local function read_only()
    error("Attempt to modify a readonly table", 2)
end

local function protect(inner, metatable)
    metatable = metatable or {}
    metatable.__index, metatable.__newindex = inner, read_only
    if metatable.__metatable == nil then
        metatable.__metatable = false
    end
    local shown = setmetatable({}, metatable)
    protected[shown] = inner
    return shown
end

local function missing(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

-- The collector works as the host set it; its switches do nothing.
local function collectgarbage(option, argument)
    if option == "stop" or option == "restart" or option == "setpause" or option == "setstepmul" then
        return 0
    end
    return collect(option or "collect", argument)
end

-- Text only, like loadstring.
local function load(reader, name)
    if type(reader) ~= "function" then
        error("bad argument #1 to 'load' (function expected, got " .. type(reader) .. ")", 2)
    end
    local pieces = {}
    while true do
        local piece = reader()
        if piece == nil or piece == "" then
            break
        elseif type(piece) ~= "string" then
            return nil, "reader function must return a string"
        end
        pieces[#pieces + 1] = piece
    end
    return loadstring(concat(pieces), name or "=(load)")
end

math.random, math.randomseed = own.random, own.randomseed

local basic = {
    assert = assert, collectgarbage = collectgarbage, error = error, gcinfo = gcinfo, getmetatable = getmetatable, ipairs = ipairs,
    load = load, loadstring = loadstring, next = next, pairs = pairs, pcall = pcall, rawequal = rawequal, rawget = rawget, rawset = rawset,
    select = select, setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, xpcall = xpcall,
    _VERSION = _VERSION,
    string = protect(string), table = protect(table), math = protect(math), coroutine = protect(coroutine), os = protect({ clock = os.clock }),
    cjson = protect(own.cjson), cmsgpack = protect(own.cmsgpack), bit = protect(own.bit), struct = protect(own.struct),
}
getmetatable("").__metatable = protect({ __index = basic.string })

-- What everybody who may call commands has.
local calls = {
    call = own.call, pcall = own.pcall, acl_check_cmd = own.acl_check_cmd, setresp = own.setresp, sha1hex = own.sha1hex, log = own.log,
    error_reply = own.error_reply, status_reply = own.status_reply, set_repl = own.set_repl,
    REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
}
local constants = {
    LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3, REDIS_VERSION = own.version, REDIS_VERSION_NUM = own.version_number,
}

local function joined(...)
    local all = {}
    for _, part in ipairs({ ... }) do
        for name, value in next, part do
            all[name] = value
        end
    end
    return all
end

-- A table of globals, and what it shows.
local function globals(inner)
    setmetatable(inner, { __index = missing })
    local metatable = { __metatable = protect({}) }
    local shown = protect(inner, metatable)
    inner._G = shown
    return shown, metatable
end

local function nothing() end
local script_inner = joined(basic, {
    redis = protect(joined(constants, calls, {
        replicate_commands = function() return true end,
        breakpoint = function() return false end,
        debug = nothing,
    })),
})
own.script_inner = script_inner
own.script_globals = globals(script_inner)

local function_inner = joined(basic, { redis = protect(joined(constants, calls)) })
local function_metatable
own.function_globals, function_metatable = globals(function_inner)

-- While a library is loaded its code sees nothing but what registers functions.
local load_inner = setmetatable({
    redis = protect(setmetatable(joined(constants, { log = own.log, register_function = own.register_function }), { __index = missing })),
}, { __index = missing })
function own.set_loading(loading)
    function_metatable.__index = loading and load_inner or function_inner
end
