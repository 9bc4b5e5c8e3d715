"""What real programs were found to refuse of this stack's files, and the tests that failed before it was corrected."""

from __future__ import annotations

FINDINGS: dict[str, tuple[str, ...]] = {
    "1. the model server's image dies at import": (
        "tests/real/test_vllm_arguments.py::test_no_gpu_image_of_a_release_whose_torch_does_not_fit_its_torchvision_is_used",
        "tests/engine/test_stack_files.py::test_every_image_of_every_environment_is_documented_with_its_memory_limits",
    ),
    "2. no chat of Open WebUI's page gets an answer": (
        "tests/real/test_variables.py::test_the_settings_of_open_webui_are_those_of_the_files_and_its_chat_needs_no_tools",
        "tests/real/test_chain.py::test_a_chat_is_answered_word_by_word_through_all_four_programs",
    ),
    "3. Elasticsearch's set-up sends half a JSON": (
        "tests/real/test_elasticsearch_setup.py::test_every_body_is_json_and_says_what_was_meant_and_again",
    ),
    "4. init.sql lacks the columns that the stack's own services write": (
        "tests/real/test_predecessor_tables.py::test_each_statement_of_the_two_services_fits_the_tables",
        "tests/real/test_predecessor_tables.py::test_a_database_of_an_earlier_version_becomes_this_one_and_keeps_its_rows",
    ),
    "5. the two own images are given what nobody wrote down": (
        "tests/engine/test_stack_files.py::test_what_the_two_own_images_are_given_is_documented",
        "tests/engine/test_own_images.py::test_a_store_that_is_away_is_named_and_what_was_begun_is_gone_on_with",
    ),
    "6. preflight passes drivers that the model server's container refuses": (
        (
            "tests/unit/preflight/test_checks_gpu_card.py::"
            "test_the_driver_must_be_new_enough_for_the_cuda_in_the_image_and_a_geforce_needs_the_minor_s_own"
        ),
    ),
    "7. ordinary users see no model": (
        "tests/real/test_variables.py::test_the_settings_of_open_webui_are_those_of_the_files_and_its_chat_needs_no_tools",
        "tests/real/test_chain.py::test_a_chat_is_answered_word_by_word_through_all_four_programs",
    ),
    "8. the first visitor becomes the administrator": (
        "tests/real/test_chain.py::test_strangers_cannot_sign_up_and_the_administrator_is_there_from_the_start",
        "tests/rehearsal/test_stand_ins.py::test_open_webui_without_an_administrator_makes_the_first_visitor_one",
    ),
    "9. settings of the admin panel end with a restart, and that is told nowhere": (
        "tests/real/test_variables.py::test_the_settings_of_open_webui_are_those_of_the_files_and_its_chat_needs_no_tools",
    ),
    "10. workers of LiteLLM are killed while they import": (
        "tests/real/test_litellm.py::test_workers_have_the_time_and_the_memory_to_import",
    ),
    "11. programs ask the Internet at their start": (
        "tests/real/test_variables.py::test_no_program_asks_the_internet_at_its_start",
        (
            "tests/real/test_litellm.py::"
            "test_litellm_starts_as_compose_says_lists_its_models_passes_a_question_on_and_asks_nothing_of_the_internet"
        ),
    ),
    "12. alerts that fire for ever, and reach no one": (
        "tests/real/test_prometheus.py::test_promtool_takes_config_and_rules_and_every_alert_fires_and_ends",
        "tests/real/test_prometheus.py::test_every_metric_that_alerts_and_dashboards_name_is_made_by_something",
        "tests/real/test_alertmanager.py::test_what_fires_is_told_and_what_is_over_too",
        "tests/unit/preflight/test_checks_alert.py::test_alerts_that_reach_no_one_are_told_of_and_no_address_is_shown",
    ),
    "13. log lines are filed under the wrong service": (
        "tests/real/test_log_patterns.py::test_each_line_is_filed_under_its_own_service",
    ),
    "14. short log files are never read": (
        "tests/real/test_log_patterns.py::test_the_project_is_given_to_both_and_filebeat_reads_files_of_any_length",
    ),
    "15. load tests measure nginx's limit, or fail always": (
        "tests/real/test_jmeter.py::test_a_plan_through_nginx_measures_the_stack_and_not_the_limiter",
        "tests/real/test_jmeter.py::test_what_cannot_be_loaded_is_refused_before_the_load",
    ),
    "16. Qdrant's snapshots are lost, links say 127.0.0.1, n8n has too little memory, Allure's logins end": (
        "tests/engine/test_stack_files.py::test_what_qdrant_writes_is_on_its_volume",
        "tests/real/test_variables.py::test_the_address_that_people_use_is_a_variable",
        "tests/real/test_chain.py::test_each_program_stays_within_its_memory_limit",
        "tests/engine/test_stack_files.py::test_an_environment_demands_only_the_secrets_it_uses",
    ),
}
