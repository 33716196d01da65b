#include "actors/json.hpp"

namespace vp {

void to_json(nlohmann::json& out, const progress& x) {
  auto renditions = nlohmann::json::array();
  for (auto& one : x.renditions) {
    auto ready = nlohmann::json::array();
    for (auto& run : one.ready)
      ready.push_back({run.first, run.last});
    renditions.push_back({{"name", one.name},
                          {"done", one.done},
                          {"total", one.total},
                          {"ready", std::move(ready)},
                          {"running", one.running},
                          {"copied", one.copied}});
  }
  auto arrived = nlohmann::json::array();
  for (auto& span : x.arrived)
    arrived.push_back({span.from, span.to});
  out = {{"phase", x.phase},
         {"segments_done", x.segments_done},
         {"segments_total", x.segments_total},
         {"renditions", std::move(renditions)},
         {"eta_seconds", nullptr},
         {"arrived", std::move(arrived)}};
  if (x.eta_seconds >= 0)
    out["eta_seconds"] = x.eta_seconds;
}

progress progress_from_json(std::string_view text) {
  auto parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_object())
    return {};
  try {
    progress x;
    x.phase = parsed.value("phase", "");
    x.segments_done = parsed.value("segments_done", 0U);
    x.segments_total = parsed.value("segments_total", 0U);
    for (auto& one : parsed.value("renditions", nlohmann::json::array())) {
      rendition_progress made{one.value("name", ""), one.value("done", 0U), one.value("total", 0U), {}, {}};
      for (auto& run : one.value("ready", nlohmann::json::array()))
        made.ready.push_back({run.at(0), run.at(1)});
      made.copied = one.value("copied", false);
      made.running = one.value("running", std::vector<std::uint32_t>{});
      x.renditions.push_back(std::move(made));
    }
    for (auto& span : parsed.value("arrived", nlohmann::json::array()))
      x.arrived.push_back({span.at(0), span.at(1)});
    if (auto eta = parsed.find("eta_seconds"); eta != parsed.end() && eta->is_number())
      x.eta_seconds = eta->get<double>();
    return x;
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

std::string to_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace vp
