// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.hpp"

#include "cli/key_help.hpp"
#include "cli/option_checks.hpp"
#include "core/error.hpp"
#include "core/provenance.hpp"
#include "core/text.hpp"

#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <sstream>

namespace tessera::cli {

Option Option::required() const { return Option(*option_->required()); }
Option Option::check(const Check& check) const { return Option(*option_->check(CLI::Validator(check, ""))); }
Option Option::show_default() const { return Option(*option_->capture_default_str()); }
Option Option::words(int least, int most) const { return Option(*option_->expected(least, most)); }
Option Option::cut_at(char delimiter) const { return Option(*option_->delimiter(delimiter)->allow_extra_args(false)); }
Option Option::type_name(const std::string& name) const { return Option(*option_->type_name(name)); }

template <class Value>
Option Parser::add(const std::string& names, Value& value, const std::string& description) const {
  return Option(*app_->add_option(names, value, description));
}
template Option Parser::add(const std::string&, std::string&, const std::string&) const;
template Option Parser::add(const std::string&, std::filesystem::path&, const std::string&) const;
template Option Parser::add(const std::string&, std::uint64_t&, const std::string&) const;
template Option Parser::add(const std::string&, double&, const std::string&) const;
template Option Parser::add(const std::string&, std::optional<std::uint64_t>&, const std::string&) const;
template Option Parser::add(const std::string&, std::vector<std::string>&, const std::string&) const;
template Option Parser::add(const std::string&, std::vector<std::vector<std::string>>&, const std::string&) const;
template Option Parser::add(const std::string&, std::vector<double>&, const std::string&) const;

Option Parser::add_flag(const std::string& names, bool& value, const std::string& description) const {
  return Option(*app_->add_flag(names, value, description));
}

Option Parser::add_word(const std::string& names, const std::vector<std::string>& words,
                        const std::function<void(const std::string&)>& take, const std::string& description) const {
  CLI::Option* const option = app_->add_option_function<std::string>(names, take, description);
  return Option(*option).check(one_of(words)).type_name("ENUM");
}

void Parser::epilogue(const std::string& text) const { app_->footer(text + "\n" + app_->get_footer()); }

struct CommandLine::State {
  CLI::App app{"Trains, ranks and queries embedding models of knowledge graphs that are too big for one memory.",
               "tessera"};
  bool quiet = false;
  bool verbose = false;
};

namespace {

std::string version_text() {
  const Provenance provenance = current_provenance();
  return fmt::format("tessera {} ({})", provenance.version, provenance.git_commit);
}

// " (did you mean '--head'?)" for the first of the words that is almost an option of the command.
std::string near_option(const CLI::App& command, const std::vector<std::string>& words) {
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const std::string& word : words) {
    if (!word.starts_with("--")) continue;
    const std::string guess = text::nearest(word.substr(0, word.find('=')), known);
    if (!guess.empty()) return fmt::format(" (did you mean '{}'?)", guess);
  }
  return "";
}

// One line that says what is wrong and where help is.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  if (!chosen.empty())
    return fmt::format("{}{}; 'tessera {} --help' says more", error.what(),
                       near_option(*chosen.front(), app.remaining(true)), chosen.front()->get_name());
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  const std::vector<std::string> words = app.remaining();
  const std::string wrong =
      words.empty() ? "a command is missing" : fmt::format("'{}' is not a command", words.front());
  const std::string guess = words.empty() ? "" : text::nearest(words.front(), names);
  return fmt::format("{}{}; the commands are: {}", wrong,
                     guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess), fmt::join(names, ", "));
}

// The KEY of "tessera train --help KEY"; empty: no key is asked for.
std::string asked_key(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  if (words.size() != 4 || words[1] != "train" || (words[2] != "--help" && words[2] != "-h")) return "";
  return words[3].starts_with("-") ? "" : words[3];
}

}  // namespace

CommandLine::CommandLine() : state_(std::make_unique<State>()) {
  CLI::App& app = state_->app;
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text());
  app.add_flag("-q,--quiet", state_->quiet, "Only warnings and errors on stderr");
  app.add_flag("-v,--verbose", state_->verbose, "Say more on stderr");
  app.fallthrough();
  app.footer(
      "Exit status: 0 done, 64 wrong usage or job file, 65 bad data, 66 input missing, 69 over the memory budget,\n"
      "70 internal error, 74 I/O error, 75 stopped on request with a checkpoint saved.");
}

CommandLine::~CommandLine() = default;

Parser CommandLine::add_command(const std::string& name, const std::string& description) {
  return Parser(*state_->app.add_subcommand(name, description));
}

CommandLine::Result CommandLine::parse(int argc, char** argv) {
  CLI::App& app = state_->app;
  const std::string key = asked_key(argc, argv);
  if (!key.empty()) {
    try {
      return {.text = explain_key(key)};
    } catch (const Error& error) {
      return {.text = error.what(), .is_wrong = true};
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return {.text = explain(app, error), .is_wrong = true};
    std::ostringstream text;
    app.exit(error, text, text);
    return {.text = text.str()};
  }
  return {app.get_subcommands().front()->get_name(), state_->quiet, state_->verbose};
}

}  // namespace tessera::cli
