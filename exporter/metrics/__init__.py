"""Results become metrics here and nowhere else, fresh at each scrape.

families   the table of all metrics
exposed    where the numbers come from
service    what belongs to no model      models   what belongs to one
page       the samples of a scrape, within a bound
collector  all of it in order, for Prometheus' library
"""
