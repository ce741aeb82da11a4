// traces/tools/event_json.cpp - one event as a JSON object, for programs.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "traces/tools/access.h"
#include "traces/tools/printer.h"

namespace dartboard::traces {

namespace {

using Json = nlohmann::ordered_json;

std::string_view source_name(Source source) {
  switch (source) {
    case Source::kGuest: return "guest";
    case Source::kDevice: return "device";
    case Source::kInferred: return "inferred";
    case Source::kRecorder: return "recorder";
  }
  return "guest";
}

void add_payload(const Payload& data, unsigned payload_bytes, Json* out) {
  switch (data.form) {
    case PayloadForm::kOmitted: (*out)["data_form"] = "omitted"; return;
    case PayloadForm::kHash:
      (*out)["data_form"] = "hash";
      (*out)["data_xxh3"] = fmt::format("{:016x}", Payload{data.bytes, 8}.le64(0));
      return;
    case PayloadForm::kWhole: break;
  }
  if (data.is_fill()) {
    (*out)["data"] = {{"fill", std::to_integer<unsigned>(data.fill)}, {"len", data.length}};
    return;
  }
  const uint64_t shown = std::min<uint64_t>(data.length, payload_bytes);
  std::string hex;
  for (uint64_t i = 0; i < shown; ++i) hex += fmt::format("{:02x}", std::to_integer<unsigned>(data.at(i)));
  (*out)["data"] = std::move(hex);
  if (shown < data.length) (*out)["data_cut"] = true;
}

std::string as_text(const Payload& data) {
  std::string text(std::min<uint64_t>(data.length, 4096), '\0');
  data.copy_to(0, std::as_writable_bytes(std::span(text)));
  return printable(text, text.size());
}

}  // namespace

std::string event_json(uint64_t number, const Event& event, const Reply* reply, const Named& named,
                       const RegisterNames* names, unsigned payload_bytes) {
  Json out = {{"event", number}, {"time_ns", event.time_ns}, {"device", event.device}, {"kind", to_string(event.kind)}};
  if (!event.is_request()) out["source"] = source_name(event.source);
  const uint32_t space = space_of(event);
  if (space != kNoSpace) {
    out["space"] = space_name(space);
  } else if (event.kind == EventKind::kInterrupt || event.kind == EventKind::kIrqSetup) {
    out["irq"] = to_string(static_cast<IrqKind>(std::min<uint32_t>(event.target, 4)));
  } else if (event.kind == EventKind::kMapBar || event.kind == EventKind::kResizeBar) {
    out["space"] = space_name(std::min(event.target, kRomSpace));
  } else if (event.kind != EventKind::kMark && event.kind != EventKind::kReset && event.kind != EventKind::kPing &&
             event.kind != EventKind::kProbe) {
    out["handle"] = event.target;
  }
  const bool plain = event.kind == EventKind::kMark || event.kind == EventKind::kReset ||
                     event.kind == EventKind::kPing || event.kind == EventKind::kInterrupt;
  if (!plain) out["address"] = event.address;
  if (event.length != 0) out["length"] = event.length;
  if (const auto value = value_of(event, reply)) out["value"] = *value;
  if (event.kind == EventKind::kMark && event.data.is_whole()) {
    out["text"] = as_text(event.data);
  } else if (const Payload* const data = payload_of(event, reply);
             data != nullptr && (data->length > kValueBytesMax || !data->is_whole())) {
    add_payload(*data, payload_bytes, &out);
  }
  if (reply != nullptr) {
    if (reply->status != 0) out["status"] = reply->status;
    if (reply->status != 0 && !reply->data.empty() && reply->data.is_whole()) out["failure"] = as_text(reply->data);
    if (event.kind == EventKind::kMapBar || event.kind == EventKind::kProbe) {
      out["result"] = {reply->value0, reply->value1};
    }
    if (event.kind == EventKind::kDmaMap && reply->status == 0) {
      const bool paged = reply->data.is_whole() && reply->data.length >= 8;
      out["bus_address"] = paged ? reply->data.le64(0) : reply->value0;
      out["pages"] = reply->data.length / 8;
    }
    if (reply->duration_ns != 0) out["duration_ns"] = reply->duration_ns;
  }
  if (named) out["name"] = named.text();
  if (!named && names != nullptr && out.contains("handle") && !names->memory_name(event.target).empty()) {
    out["name"] = names->memory_name(event.target);
  }
  const auto value = value_of(event, reply);
  if (value && named.reg != nullptr && named.byte == 0 && !named.reg->fields.empty()) {
    Json& fields = out["fields"] = Json::object();
    for (const FieldName& field : named.reg->fields) fields[field.name] = field.of(*value);
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace dartboard::traces
