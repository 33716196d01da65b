#include "cli/configuration.hpp"

#include "cli/commands.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace vp::cli {

namespace {

/// What the environment says; empty where it is not set.
std::string value_of(const std::string& variable) {
  const auto* value = std::getenv(variable.c_str());
  return value ? value : "";
}

const CLI::App& section_of(const CLI::ConfigItem& item, const CLI::App& app) {
  for (const auto* command : app.get_subcommands({}))
    if (item.parents == std::vector{command->get_name()})
      return *command;
  throw CLI::ConfigError(fmt::format("configuration file: there is no section [{}]", fmt::join(item.parents, ".")));
}

const CLI::Option& option_of(const CLI::ConfigItem& item, const CLI::App& app) {
  if (item.parents.empty())
    throw CLI::ConfigError(fmt::format("configuration file: {} must be in a section such as [serve]", item.name));
  auto& command = section_of(item, app);
  const auto* option = command.get_option_no_throw("--" + item.name);
  if (!option || !option->get_configurable())
    throw CLI::ConfigError(
        fmt::format("configuration file: there is no option {} in [{}]", item.name, command.get_name()));
  return *option;
}

/// A key of the section [kafka], such as `security.protocol`, which is the name of a property of librdkafka's; empty
/// for any other key.
std::string kafka_property_name(const CLI::ConfigItem& item) {
  if (item.parents.empty() || item.parents.front() != "kafka")
    return {};
  auto path = item.parents;
  path.push_back(item.name);
  return fmt::format("{}", fmt::join(path.begin() + 1, path.end(), "."));
}

/// Takes the properties out of the entries and gives them to each command that talks to Kafka, as its option.
void hand_out_kafka_properties(std::vector<CLI::ConfigItem>& entries, const CLI::App& app) {
  CLI::ConfigItem properties;
  properties.name = kafka_property;
  std::erase_if(entries, [&](const CLI::ConfigItem& item) {
    auto name = kafka_property_name(item);
    if (!name.empty() && item.name != "++" && item.name != "--")
      properties.inputs.push_back(name + "=" + fmt::format("{}", fmt::join(item.inputs, ",")));
    return !name.empty();
  });
  if (properties.inputs.empty())
    return;
  for (const auto* command : app.get_subcommands({}))
    if (command->get_option_no_throw(std::string{"--"} + kafka_property)) {
      properties.parents = {command->get_name()};
      entries.push_back(properties);
    }
}

} // namespace

std::string variable_of(const std::string& name) {
  std::string variable = "VIDPIPELINE_";
  for (auto c : name)
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

std::vector<CLI::ConfigItem> configuration::from_config(std::istream& file) const {
  auto entries = CLI::ConfigTOML::from_config(file);
  hand_out_kafka_properties(entries, app_);
  std::erase_if(entries, [this](const CLI::ConfigItem& item) {
    if (item.name == "++" || item.name == "--") { // the begin and the end of a section
      section_of(item, app_);
      return true;
    }
    return !value_of(option_of(item, app_).get_envname()).empty();
  });
  return entries;
}

void add_configuration(CLI::App& app) {
  app.config_formatter(std::make_shared<configuration>(app));
  // Not with `envname`, which CLI11 reads only after the file. A file that somebody names must be there.
  auto named = value_of(variable_of("config"));
  app.set_config("--config", named.empty() ? "vidpipeline.toml" : named,
                 "Configuration file: a section for each command, a key for each option", !named.empty());
}

} // namespace vp::cli
