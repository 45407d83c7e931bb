// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/hdf5.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace tessera::cli {

/// Verifies every file that the folder's checksum list names; says how many.
nlohmann::ordered_json verify_folder(const std::filesystem::path& folder);

/// The parts of inspect() that are about runs.
nlohmann::ordered_json describe_exported(const std::filesystem::path& folder);
nlohmann::ordered_json describe_ultra(const std::filesystem::path& folder);
nlohmann::ordered_json describe_run(const std::filesystem::path& folder);
nlohmann::ordered_json describe_checkpoints(const std::filesystem::path& folder);
nlohmann::ordered_json describe_checkpoint(const std::filesystem::path& folder);
nlohmann::ordered_json describe_job(const std::filesystem::path& file);
nlohmann::ordered_json describe_metrics_log(const std::filesystem::path& file);
nlohmann::ordered_json describe_starts_log(const std::filesystem::path& file);

/// The headline of a file with results (metrics, evaluation); nothing for other kinds.
void add_results(const storage::FileReader& file, nlohmann::ordered_json& out);

}  // namespace tessera::cli
