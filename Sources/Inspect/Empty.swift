// Summaries come here.
