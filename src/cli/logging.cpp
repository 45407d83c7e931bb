// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/logging.hpp"

#include "core/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <memory>
#include <string>

namespace tessera::cli {

void start_logging(Rank rank, Verbosity verbosity) {
  auto logger = std::make_shared<spdlog::logger>("tessera", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("%H:%M:%S %^%v%$");
  logger->flush_on(spdlog::level::trace);
  const bool root = rank == Rank(0);
  log::set_sink([logger, rank, root, verbosity](log::Level level, std::string_view message) {
    const std::string who = root ? "" : fmt::format("rank {}: ", rank.value());
    if (level == log::Level::kWarning) {
      logger->log(spdlog::level::warn, fmt::format("{}warning: {}", who, message));
    } else if (level == log::Level::kError) {
      logger->log(spdlog::level::err, fmt::format("{}error: {}", who, message));
    } else if (root && verbosity != Verbosity::kQuiet &&
               (level == log::Level::kInfo || verbosity == Verbosity::kVerbose)) {
      logger->log(spdlog::level::info, spdlog::string_view_t(message.data(), message.size()));
    }
  });
}

}  // namespace tessera::cli
