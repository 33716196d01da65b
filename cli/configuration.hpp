#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace vp::cli {

/// The option that holds properties of librdkafka.
inline constexpr auto kafka_property = "kafka-property";

/// The configuration file: a section for each command, a key for each of its options, and a section [kafka] with
/// librdkafka's properties by their own names. A key or section that does not exist is an error, and an option that the
/// environment sets is left to the environment.
class configuration : public CLI::ConfigTOML {
public:
  /// `app` must outlive the object.
  explicit configuration(CLI::App& app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& file) const override;

private:
  CLI::App& app_;
};

/// Lets `app` read a configuration file: the one that `--config` or VIDPIPELINE_CONFIG names, else `vidpipeline.toml`
/// where there is one.
void add_configuration(CLI::App& app);

} // namespace vp::cli
