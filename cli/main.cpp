#include "cli/commands.hpp"
#include "cli/configuration.hpp"
#include "cli/kafka_options.hpp"

#include <cstdlib>
#include <exception>
#include <iostream>

int main(int argc, char** argv) {
  vp::cli::adopt_kafka_environment();
  CLI::App app{"VidPipeline: upload a video, and it plays as HLS and DASH.", "vidpipeline"};
  app.set_version_flag("--version", VIDPIPELINE_VERSION);
  vp::cli::add_configuration(app);
  app.fallthrough(); // `serve --config FILE`, as well as `--config FILE serve`
  app.require_subcommand(1);
  app.footer("Every option can also be set as VIDPIPELINE_<OPTION> in the environment, or in a configuration file:\n"
             "vidpipeline.toml in the working folder, or the one that --config or VIDPIPELINE_CONFIG names.\n"
             "The command line goes before the environment, and the environment before the file.");

  int exit_code = EXIT_SUCCESS;
  vp::cli::add_serve(app, exit_code);
  vp::cli::add_worker(app, exit_code);
  vp::cli::add_upload(app, exit_code);
  vp::cli::add_list(app, exit_code);
  vp::cli::add_show(app, exit_code);
  vp::cli::add_retry(app, exit_code);
  vp::cli::add_delete(app, exit_code);
  vp::cli::add_nodes(app, exit_code);
  vp::cli::add_dlq(app, exit_code);
  vp::cli::add_certs(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem);
  } catch (const std::exception& problem) {
    std::cerr << "vidpipeline: " << problem.what() << '\n';
    return EXIT_FAILURE;
  }
  return exit_code;
}
