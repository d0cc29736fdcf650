"""What every figure means, in one sentence each: the page shows them behind an (i), the README in its table."""

MEANINGS = {
    "Average per day": "Tickets ÷ days from the first one's day to today, both counted; one decimal.",
    "Created": "Tickets created in the period.",
    "Resolved": "Tickets that last became resolved or closed in the period; one that was reopened and is open is none.",
    "Backlog": "Tickets neither resolved nor closed at a moment, from the history: a stock, not “created − resolved”.",
    "Time to resolution": "From creation to the last time a ticket became resolved or closed, of those for which that "
    "lies in the period; median and ninth decile in hours of the clock, interpolated.",
    "First response": "From creation to the first note or change of status by an agent, which is somebody on the "
    "dashboard or named by what comes over the API; of tickets created in the period that had one.",
    "Target met": "Of the tickets whose target time, DESK_TARGET_HOURS after creation, lies in the period, the share "
    "that was resolved or closed by then.",
    "Will miss their target next": "Tickets neither resolved nor closed that are still within their target time, the "
    "soonest first.",
    "Open now, by age": "Tickets neither resolved nor closed, whenever they were created, by days since then.",
    "When tickets arrive": "Tickets created in the period, by weekday and hour in the desk's time zone.",
    "By agent": "For each assignee: tickets neither resolved nor closed now, those resolved in the period, and the "
    "median hours these took.",
    "Suggestions kept": "Of the tickets created in the period with a suggestion, the share whose category, or "
    "priority, is now the suggested one.",
    "The period before": "As many days before the period, up to the same time of day; every change is against it.",
    "Few": "Fewer than 20 tickets stand behind a median or a share; it is marked.",
    "Unfinished": "A day, week or month that is not over, or not all in the period, is drawn pale.",
}
