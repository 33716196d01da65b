#include "actors/json.hpp"

namespace vp {

void to_json(nlohmann::json& out, const progress& x) {
  auto renditions = nlohmann::json::array();
  for (auto& one : x.renditions)
    renditions.push_back({{"name", one.name}, {"done", one.done}, {"total", one.total}});
  out = {{"phase", x.phase},
         {"segments_done", x.segments_done},
         {"segments_total", x.segments_total},
         {"renditions", std::move(renditions)},
         {"eta_seconds", nullptr}};
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
    for (auto& one : parsed.value("renditions", nlohmann::json::array()))
      x.renditions.push_back({one.value("name", ""), one.value("done", 0U), one.value("total", 0U)});
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
