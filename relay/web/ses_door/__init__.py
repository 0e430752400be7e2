"""The door that speaks as SES does: its query API of 2010 and its v2 API, with access keys of ours."""
